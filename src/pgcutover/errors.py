"""Every way pgcutover can fail, as one tree; the exit code belongs to the class.

    PgcutoverError              70  a bug, or an error nobody foresaw
    ├── UsageError              64  the command line is wrong
    ├── ConfigError             65  pgcutover.toml, the environment or a plan file is wrong
    ├── RightsError             66  a token, role or policy lacks a right
    ├── RefusedError            67  a rule or a person said no, before anything was touched
    │   ├── StalePlanError      68  the world moved on since the plan was made
    │   └── NotConfirmedError   69  nobody confirmed the fence or the switch
    ├── RunnerConflictError     71  another run holds this environment
    ├── ForeignReleaseError     72  a release that we did not make appeared in a listed app
    ├── JournalError            73  the journal cannot be written, or says something impossible
    ├── ToolError               74  pg_dump, pg_restore or psql is missing, unfit, or failed
    ├── SourceError             80  the source database
    │   └── FenceError          81  the fence does not hold
    ├── TargetError             82  the target database
    │   └── TargetNotEmptyError 83  the target already holds objects
    ├── HerokuError             84  the Heroku API
    │   └── ReleaseFailedError  85  a release, or its release phase, failed
    ├── AwsError                86  the AWS API
    │   └── QuotaError          87  an AWS limit is reached
    ├── CopyError               88  bytes did not arrive
    ├── SmokeError              89  the application does not work on the new database
    ├── NotUndoneError          90  going back did not leave the world as it was
    ├── NotDoneError            91  a step was done, but its effect is not found
    ├── ProbeError              95  a probe found an assumption to be wrong, or could not look at one
    └── InterruptedRun         130  a person pressed Ctrl-C

1, 2 and 3 are only ever verdicts of a comparison (warnings, different, could not verify).
A message is lower case, without a full stop, and names the object; the hint is a sentence that says what to do next.
"""

from typing import ClassVar


class PgcutoverError(Exception):
    """Base of the tree. `message` says what and where; `hint` says what to do next."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(PgcutoverError):
    exit_code = 64


class ConfigError(PgcutoverError):
    exit_code = 65


class RightsError(PgcutoverError):
    exit_code = 66


class RefusedError(PgcutoverError):
    exit_code = 67


class StalePlanError(RefusedError):
    exit_code = 68


class NotConfirmedError(RefusedError):
    exit_code = 69


class RunnerConflictError(PgcutoverError):
    exit_code = 71


class ForeignReleaseError(PgcutoverError):
    exit_code = 72


class JournalError(PgcutoverError):
    exit_code = 73


class ToolError(PgcutoverError):
    exit_code = 74


class SourceError(PgcutoverError):
    exit_code = 80


class FenceError(SourceError):
    exit_code = 81


class TargetError(PgcutoverError):
    exit_code = 82


class TargetNotEmptyError(TargetError):
    exit_code = 83


class HerokuError(PgcutoverError):
    exit_code = 84


class ReleaseFailedError(HerokuError):
    exit_code = 85


class AwsError(PgcutoverError):
    exit_code = 86


class QuotaError(AwsError):
    exit_code = 87


class CopyError(PgcutoverError):
    exit_code = 88


class SmokeError(PgcutoverError):
    exit_code = 89


class NotUndoneError(PgcutoverError):
    exit_code = 90


class NotDoneError(PgcutoverError):
    exit_code = 91


class ProbeError(PgcutoverError):
    exit_code = 95


class InterruptedRun(PgcutoverError):  # noqa: N818  (a participle: the run was interrupted, nothing erred)
    exit_code = 130
