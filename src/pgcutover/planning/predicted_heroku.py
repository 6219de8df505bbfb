"""Every numbered assumption about Heroku, as a probe looks at it. H1 to H8 are the unsettled questions of the notes.

Only data. `NAME` stands for the probe's app, `DB` for its add-on.
"""

from pgcutover.planning.predictions import Prediction

HEROKU: tuple[Prediction, ...] = (
    Prediction(
        number="H1",
        says="Overwriting an attachment's variable, and removing the last attachment, are refused alike.",
        how="PATCH /apps/NAME/config-vars {DATABASE_URL}; DELETE /addon-attachments/… of the last one",
        expects="overwriting: 422 invalid_params; the last attachment: 422 invalid_params",
    ),
    Prediction(
        number="H2",
        says="Releases made by attaching and detaching do not run the release command.",
        how="a release each by PATCH config-vars, POST /addon-attachments, DELETE /addon-attachments/…",
        expects="config var: runs it; attaching: does not; detaching: does not",
    ),
    Prediction(
        number="H3",
        says="Attachment names are kept as given, and must be letters, digits and underscores.",
        how="POST /addon-attachments with the names probe_lower and PROBE-HYPHEN",
        expects="lower case is kept; a hyphen is refused",
    ),
    Prediction(
        number="H4",
        says="Prices and connection limits of plans are those of October 2026.",
        how="GET /addon-services/heroku-postgresql/plans; the role's limit in the database",
        expects="essential-0 5, essential-1 9, essential-2 20, standard-0 50, premium-0 200 USD per month; "
        "essential-0: 20 connections",
    ),
    Prediction(
        number="H5",
        says="The log keeps the newest 1500 lines of each app.",
        how="a one-off dyno prints 1700 lines; POST /apps/NAME/log-sessions asks for 2000",
        expects="1500 lines",
    ),
    Prediction(
        number="H6",
        says="Heroku's support no longer ships WAL.",
        unseen="only Heroku's support can say",
    ),
    Prediction(
        number="H7",
        says="Dataclips are read by GraphQL fields that nobody documents.",
        unseen="a throw-away app has no dataclip, and there is no call that makes one",
    ),
    Prediction(
        number="H8",
        says="A database holds the schema _heroku.",
        how="SELECT in the database",
        expects="an essential database has it",
    ),
    Prediction(
        number="L1",
        says="Attaching under a name whose variable was set by hand needs confirmation, and then takes its place.",
        how="PATCH config-vars {PROBE_TAKEN_URL}; POST /addon-attachments PROBE_TAKEN without and with confirm",
        expects="without: 423 confirmation_required; with: the variable is the database's",
    ),
    Prediction(
        number="L2",
        says="A name in use by another attachment of the app needs confirmation, also when it is of the same add-on.",
        how="POST /addon-attachments with a name in use, without confirm",
        expects="423 confirmation_required",
    ),
    Prediction(
        number="L3",
        says="Replacing an attachment makes two releases, 'Detach' and then 'Attach'.",
        how="POST /addon-attachments with a name in use and confirm; GET /apps/NAME/releases",
        expects="Detach PROBE_TAKEN, Attach PROBE_TAKEN",
    ),
    Prediction(
        number="L4",
        says="Every release is pending for some seconds, also without a release command; an app's releases are carried "
        "out one after the other.",
        how="POST and DELETE of an attachment at once; GET /apps/NAME/releases until both are through",
        expects="pending at first; one after the other",
    ),
    Prediction(
        number="L5",
        says="Dynos that are scaled away leave the list at once.",
        how="PATCH /apps/NAME/formation {worker 0}; GET /apps/NAME/dynos",
        expects="gone from the list at once",
    ),
    Prediction(
        number="L6",
        says="A new release does not touch one-off dynos.",
        how="POST /apps/NAME/dynos; PATCH config-vars; GET /apps/NAME/dynos",
        expects="it goes on",
    ),
    Prediction(
        number="L7",
        says="A formation dyno that is stopped by name is started again.",
        how="POST /apps/NAME/dynos/worker.1/actions/stop; GET /apps/NAME/dynos",
        expects="started again",
    ),
    Prediction(
        number="L8",
        says="A one-off dyno that has ended is gone: the API answers 404 for it.",
        how="POST /apps/NAME/dynos; GET /apps/NAME/dynos/run.N",
        expects="404 once it has ended",
    ),
    Prediction(
        number="L9",
        says="Rolling back puts back every config var of that release, attachments' included, and leaves the "
        "attachments alone.",
        how="DELETE an attachment, PATCH config-vars, POST /apps/NAME/releases {release}",
        expects="the variable: as it was; the attachment's variable: there; the attachment: not there",
    ),
    Prediction(
        number="L10",
        says="A request without an Accept header of version 3 is refused with 406.",
        how="GET /apps/NAME with Accept: */*",
        expects="406",
    ),
    Prediction(
        number="L11",
        says="The add-on's server-side pooler listens on the same host, on the port after the database's.",
        unseen="an essential database has no server-side pooler; the smallest that has one costs 50 USD a month",
    ),
    Prediction(
        number="L12",
        says="connection_reset ends every session of the owner.",
        how="a session in the database; POST /client/v11/databases/DB/connection_reset. "
        "Sessions of other credentials are not seen: an essential database has none",
        expects="the owner's session ends",
    ),
    Prediction(
        number="L13",
        says="Without a Range, releases are listed by id, which is no order at all.",
        how="GET /apps/NAME/releases without Range",
        expects="by id",
    ),
    Prediction(
        number="L14",
        says="A dyno that crashes comes back after 10 s, then 20 s, 40 s and so on.",
        how="PATCH /apps/NAME/formation {crash 1}; its lines in the log for some minutes",
        expects="it comes back, each time after a longer pause",
    ),
    Prediction(
        number="L15",
        says="A failover leaves name, logins and database of an add-on as they are and changes host or port.",
        unseen="an essential database has no standby to fail over to, and there is no call that makes it",
    ),
    Prediction(
        number="L16",
        says="Rotating a credential changes its own attachments' variables and ends its own sessions.",
        unseen="an essential database has one credential; that the others are left alone takes two",
    ),
    Prediction(
        number="L17",
        says="What buildpacks add to a slug is there from the next deploy on.",
        unseen="the probe's app is a slug of its own, which no buildpack made",
    ),
    Prediction(
        number="L30",
        says="An app's first heroku-postgresql add-on is attached as DATABASE, by one release.",
        how="POST /apps/NAME/addons; GET /apps/NAME/releases",
        expects="Attach DATABASE (@ref:DB)",
    ),
)
