-- What a platform's superuser makes and owns: a wrapper for foreign data that belongs to an extension, as contrib's do.
CREATE FOREIGN DATA WRAPPER everything_wrapper;
ALTER EXTENSION plpgsql ADD FOREIGN DATA WRAPPER everything_wrapper;
