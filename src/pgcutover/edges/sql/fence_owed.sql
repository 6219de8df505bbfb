-- Fail, after all that could be done was committed, where something that is there could not be given back.
BEGIN
    IF pg_catalog.current_setting('pgcutover.owed') <> '' THEN
        RAISE EXCEPTION 'not given back, for it has another owner now: %', pg_catalog.current_setting('pgcutover.owed')
            USING HINT = 'All the rest was. Let the owner run what is named here.';
    END IF;
END
