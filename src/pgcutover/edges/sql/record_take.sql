-- Take the run with an epoch above every one that was; no row comes back when somebody else was faster.
INSERT INTO pgcutover.run (run_id, epoch, holder, host, pid)
VALUES (%(run_id)s, %(epoch)s, %(holder)s, %(host)s, %(pid)s)
    ON CONFLICT (run_id) DO UPDATE
   SET epoch = excluded.epoch, holder = excluded.holder, host = excluded.host, pid = excluded.pid,
       taken_at = clock_timestamp()
 WHERE run.epoch < excluded.epoch
RETURNING epoch
