-- What moves but belongs to a role other than the database's owner, as (kind, name): with one owner for everything on the
-- new server, that role would lose what is its own, and its SECURITY DEFINER functions would gain the owner's rights.
-- Superusers are the platform's. A role that nobody logs in as (or through) loses nothing: a former credential's.
-- pg_shdepend names no owner of what the system itself owns, of row types, arrays, indexes and TOAST tables.
SELECT CASE WHEN f.prosecdef OR r.rolcanlogin OR EXISTS (
                     SELECT FROM pg_roles AS u
                      WHERE u.rolcanlogin AND NOT u.rolsuper AND u.oid <> b.datdba AND pg_has_role(u.oid, r.oid, 'MEMBER'))
            THEN 'others_own' ELSE 'former_owners' END AS kind,
       format('%s%s %s of %s', CASE WHEN f.prosecdef THEN 'SECURITY DEFINER ' END, i.type, i.identity, r.rolname) AS name
  FROM pg_shdepend AS d
  JOIN pg_database AS b ON b.oid = d.dbid AND b.datname = current_database()
  JOIN pg_roles AS r ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass
  LEFT JOIN pg_proc AS f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
 CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS i
 WHERE d.deptype = 'o'
   AND r.oid <> b.datdba
   AND NOT r.rolsuper
   AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass,
                     'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass,
                     'pg_collation'::regclass, 'pg_conversion'::regclass, 'pg_ts_config'::regclass,
                     'pg_ts_dict'::regclass, 'pg_statistic_ext'::regclass, 'pg_foreign_server'::regclass,
                     'pg_foreign_data_wrapper'::regclass, 'pg_language'::regclass, 'pg_largeobject'::regclass)
   AND (i.schema IS NULL OR to_regnamespace(i.schema) IN ({schemas}))
   AND NOT (d.classid = 'pg_namespace'::regclass
            AND (d.objid NOT IN ({schemas}) OR i.name IN ('public', 'heroku_ext')))
   AND NOT EXISTS (SELECT FROM pg_depend AS e
                    WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype IN ('e', 'i'))
