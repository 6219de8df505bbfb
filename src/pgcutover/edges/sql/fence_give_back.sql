-- Give back what was taken, object by object: what is gone does not keep the rest away, and is told in a warning.
DECLARE
    part record;
    object text;
    owed text[] := '{{}}';
BEGIN
    FOR part IN VALUES
        ('', ARRAY[]::text[], ''){parts}
    LOOP
        FOREACH object IN ARRAY part.column2 LOOP
            BEGIN
                EXECUTE part.column1 || object || part.column3;
            EXCEPTION
                WHEN undefined_table OR undefined_column OR undefined_object OR wrong_object_type
                    OR invalid_schema_name OR invalid_catalog_name THEN
                    RAISE WARNING 'dropped or renamed, so not given back: % (%)',
                        part.column1 || object || part.column3, SQLERRM;
                WHEN insufficient_privilege THEN
                    RAISE WARNING 'NOT GIVEN BACK: % (%)', part.column1 || object || part.column3, SQLERRM;
                    owed := owed || (part.column1 || object || part.column3);
            END;
        END LOOP;
    END LOOP;
    PERFORM pg_catalog.set_config('pgcutover.owed', pg_catalog.array_to_string(owed, '; '), false);
END
