-- Event triggers and publications of this database, as an archive's comments name them.
SELECT '- EVENT TRIGGER "' || replace(t.evtname, '"', '""') || '"' FROM pg_catalog.pg_event_trigger AS t
 UNION ALL
SELECT '- PUBLICATION "' || replace(p.pubname, '"', '""') || '"' FROM pg_catalog.pg_publication AS p
