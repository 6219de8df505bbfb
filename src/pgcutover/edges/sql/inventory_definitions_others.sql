-- Views, functions, types, sequences, operators, text search, foreign servers and the like as text; schemas by name alone.
SELECT CASE c.relkind WHEN 'm' THEN 'materialised view' ELSE 'view' END AS kind,
       format('%I.%I', n.nspname, c.relname) AS name,
       pg_get_viewdef(c.oid) AS definition
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND c.relnamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 UNION ALL
SELECT r.kind, r.name, r.definition
  FROM (SELECT p.oid, p.pronamespace,
               CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
               p.oid::regprocedure::text,
               -- From columns, which mean the same in every version; what pg_get_functiondef prints may not.
               concat_ws(E'\n',
                   format('(%s) RETURNS %s', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)),
                   concat_ws(' ', 'LANGUAGE', (SELECT quote_ident(l.lanname) FROM pg_language AS l WHERE l.oid = p.prolang),
                             'KIND', p.prokind, 'VOLATILE', p.provolatile, 'PARALLEL', p.proparallel, 'COST', p.procost,
                             'ROWS', p.prorows,
                             CASE WHEN p.proisstrict THEN 'STRICT' END,
                             CASE WHEN p.proleakproof THEN 'LEAKPROOF' END,
                             CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END,
                             'SUPPORT ' || nullif(p.prosupport::oid, 0)::regproc::text,
                             (SELECT 'TRANSFORM ' || string_agg(format_type(t.type, NULL), ', ' ORDER BY t.position)
                                FROM unnest(p.protrftypes) WITH ORDINALITY AS t (type, position))),
                   (SELECT 'SET ' || string_agg(c.entry, E'\nSET ' ORDER BY c.entry COLLATE "C")
                      FROM unnest(p.proconfig) AS c (entry)),
                   (SELECT concat_ws(' ', a.aggkind, a.aggnumdirectargs, a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
                                     a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn,
                                     a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify,
                                     format_type(a.aggtranstype, NULL), a.aggtransspace,
                                     format_type(nullif(a.aggmtranstype, 0), NULL), a.aggmtransspace,
                                     'INITIAL ' || a.agginitval, 'MOVING INITIAL ' || a.aggminitval,
                                     a.aggsortop::regoperator)
                      FROM pg_aggregate AS a WHERE a.aggfnoid = p.oid),
                   'LIBRARY ' || p.probin,
                   -- One with a parsed body is told apart, below.
                   'BODY ' || CASE WHEN to_jsonb(p) ->> 'prosqlbody' IS NULL THEN p.prosrc END)
          FROM pg_proc AS p
         UNION ALL
        -- BEGIN ATOMIC, from 14 on: printed from a parsed query, like a view.
        SELECT p.oid, p.pronamespace, 'function body', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
          FROM pg_proc AS p
         -- Thousands of the system's own would be printed only to be left out: only CASE says what comes first.
         WHERE CASE WHEN p.pronamespace IN ({schemas}) THEN to_jsonb(p) ->> 'prosqlbody' IS NOT NULL END) AS r (oid, namespace, kind, name, definition)
 WHERE r.namespace IN ({schemas})
   -- Nor an extension's; and the constructor functions of a range type come and go with it.
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = r.oid AND d.deptype IN ('e', 'i'))
 UNION ALL
SELECT 'type',
       format('%I.%I', n.nspname, t.typname),
       concat_ws(' ', t.typtype,
           CASE WHEN t.typtype = 'b'
                THEN format('%s %s %s %s %s %s %s %s', t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory,
                            t.typispreferred, t.typdelim, concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend,
                            t.typmodin, t.typmodout, t.typanalyze, format_type(nullif(t.typelem, 0), NULL))) END,
           (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
              FROM pg_enum AS e WHERE e.enumtypid = t.oid),
           CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
           CASE WHEN t.typtype = 'd' AND t.typnotnull THEN 'NOT NULL' END,
           'DEFAULT ' || t.typdefault,
           (SELECT format('COLLATE %I', l.collname) FROM pg_collation AS l
             WHERE t.typtype = 'd' AND l.oid = t.typcollation AND l.collname <> 'default'),
           (SELECT string_agg(format('%I %s', k.conname, pg_get_constraintdef(k.oid)), ', ' ORDER BY k.conname)
              FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype <> 'n'),
           (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), o.opcname, l.collname,
                             nullif(r.rngcanonical::oid, 0)::regproc, nullif(r.rngsubdiff::oid, 0)::regproc)
              FROM pg_range AS r
              JOIN pg_opclass AS o ON o.oid = r.rngsubopc
              LEFT JOIN pg_collation AS l ON l.oid = r.rngcollation
             WHERE r.rngtypid = t.oid))
  FROM pg_type AS t
  JOIN pg_namespace AS n ON n.oid = t.typnamespace
 WHERE t.typnamespace IN ({schemas})
   AND t.typtype IN ('b', 'd', 'e', 'r')
   AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
 UNION ALL
SELECT 'sequence',
       format('%I.%I', n.nspname, c.relname),
       concat_ws(' ', format_type(s.seqtypid, NULL), 'START', s.seqstart, 'INCREMENT', s.seqincrement, 'MIN', s.seqmin,
                 'MAX', s.seqmax, 'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END,
                 (SELECT format('OWNED BY %I.%I.%I %s', tn.nspname, tc.relname, a.attname, d.deptype)
                    FROM pg_depend AS d
                    JOIN pg_class AS tc ON tc.oid = d.refobjid
                    JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
                    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                     AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0))
  FROM pg_sequence AS s
  JOIN pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relpersistence <> 't' AND c.relnamespace IN ({schemas})
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 UNION ALL
-- Up to 15, a transform was 'for type on language name'.
SELECT i.type,
       CASE WHEN i.type = 'transform' THEN replace(i.identity, ' on language ', ' language ') ELSE i.identity END,
       o.definition
  FROM (SELECT 'pg_namespace'::regclass AS class, oid, oid AS schema, '' AS definition FROM pg_namespace
               -- Every database has it, and one whose owner made it anew has it with another number.
               WHERE nspname <> 'public'
         UNION ALL
        SELECT 'pg_operator'::regclass, oid, oprnamespace,
               concat_ws(' ', oprcode, oprrest, oprjoin, 'COMMUTATOR ' || nullif(oprcom, 0)::regoperator::text,
                         'NEGATOR ' || nullif(oprnegate, 0)::regoperator::text, CASE WHEN oprcanmerge THEN 'MERGES' END,
                         CASE WHEN oprcanhash THEN 'HASHES' END)
          FROM pg_operator
         UNION ALL
        SELECT 'pg_opclass'::regclass, c.oid, c.opcnamespace,
               concat_ws(' ', 'FOR', format_type(c.opcintype, NULL), 'FAMILY',
                         (SELECT y.identity FROM pg_identify_object('pg_opfamily'::regclass, c.opcfamily, 0) AS y),
                         CASE WHEN c.opcdefault THEN 'DEFAULT' END,
                         'STORAGE ' || format_type(nullif(c.opckeytype, 0), NULL))
          FROM pg_opclass AS c
         UNION ALL
        SELECT 'pg_opfamily'::regclass, f.oid, f.opfnamespace,
               (SELECT string_agg(m.member, ', ' ORDER BY m.member COLLATE "C")
                  FROM (SELECT format('OPERATOR %s %s %s%s', p.amopstrategy, p.amopopr::regoperator, p.amoppurpose,
                                      (SELECT ' ' || y.identity
                                         FROM pg_identify_object('pg_opfamily'::regclass, p.amopsortfamily, 0) AS y
                                        WHERE p.amopsortfamily <> 0))
                          FROM pg_amop AS p WHERE p.amopfamily = f.oid
                         UNION ALL
                        SELECT format('FUNCTION %s (%s, %s) %s', p.amprocnum, format_type(p.amproclefttype, NULL),
                                      format_type(p.amprocrighttype, NULL), p.amproc::regprocedure)
                          FROM pg_amproc AS p WHERE p.amprocfamily = f.oid) AS m (member))
          FROM pg_opfamily AS f
         UNION ALL
        -- The locale of ICU stood in collcollate up to 14, in colliculocale up to 16, in colllocale since.
        SELECT 'pg_collation'::regclass, l.oid, l.collnamespace,
               concat_ws(' ', 'PROVIDER', l.collprovider,
                         CASE WHEN l.collprovider = 'c' THEN format('%s %s', l.collcollate, l.collctype)
                              ELSE coalesce(to_jsonb(l) ->> 'colllocale', to_jsonb(l) ->> 'colliculocale',
                                            l.collcollate) END,
                         'RULES ' || (to_jsonb(l) ->> 'collicurules'),
                         CASE WHEN NOT l.collisdeterministic THEN 'NOT DETERMINISTIC' END)
          FROM pg_collation AS l
         UNION ALL
        SELECT 'pg_conversion'::regclass, v.oid, v.connamespace,
               concat_ws(' ', pg_encoding_to_char(v.conforencoding), 'TO', pg_encoding_to_char(v.contoencoding),
                         v.conproc::regproc, CASE WHEN v.condefault THEN 'DEFAULT' END)
          FROM pg_conversion AS v
         UNION ALL
        SELECT 'pg_ts_config'::regclass, c.oid, c.cfgnamespace,
               concat_ws(' ', 'PARSER',
                         (SELECT y.identity FROM pg_identify_object('pg_ts_parser'::regclass, c.cfgparser, 0) AS y),
                         (SELECT string_agg(format('%s %s', m.maptokentype, m.mapdict::regdictionary), ', '
                                            ORDER BY m.maptokentype, m.mapseqno)
                            FROM pg_ts_config_map AS m WHERE m.mapcfg = c.oid))
          FROM pg_ts_config AS c
         UNION ALL
        SELECT 'pg_ts_dict'::regclass, d.oid, d.dictnamespace, concat_ws(' ', y.identity, d.dictinitoption)
          FROM pg_ts_dict AS d
         CROSS JOIN LATERAL pg_identify_object('pg_ts_template'::regclass, d.dicttemplate, 0) AS y
         UNION ALL
        SELECT 'pg_ts_parser'::regclass, oid, prsnamespace,
               concat_ws(' ', prsstart, prstoken, prsend, prsheadline, prslextype)
          FROM pg_ts_parser
         UNION ALL
        SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, concat_ws(' ', tmplinit, tmpllexize) FROM pg_ts_template
         UNION ALL
        SELECT 'pg_cast'::regclass, oid, NULL,
               concat_ws(' ', castcontext, castmethod, nullif(castfunc, 0)::regprocedure)
          FROM pg_cast
         UNION ALL
        SELECT 'pg_transform'::regclass, oid, NULL,
               concat_ws(' ', 'FROM', nullif(trffromsql::oid, 0)::regprocedure, 'TO', nullif(trftosql::oid, 0)::regprocedure)
          FROM pg_transform
         UNION ALL
        SELECT 'pg_language'::regclass, oid, NULL,
               concat_ws(' ', CASE WHEN lanpltrusted THEN 'TRUSTED' END, nullif(lanplcallfoid, 0)::regprocedure,
                         nullif(laninline, 0)::regprocedure, nullif(lanvalidator, 0)::regprocedure)
          FROM pg_language
         UNION ALL
        SELECT 'pg_am'::regclass, oid, NULL, concat_ws(' ', amtype, amhandler) FROM pg_am
         UNION ALL
        SELECT 'pg_foreign_data_wrapper'::regclass, w.oid, NULL,
               concat_ws(' ', nullif(w.fdwhandler, 0)::regprocedure, nullif(w.fdwvalidator, 0)::regprocedure,
                         (SELECT 'OPTIONS ' || string_agg({option}, ', ' ORDER BY o.entry)
                            FROM unnest(w.fdwoptions) AS o (entry)))
          FROM pg_foreign_data_wrapper AS w
         UNION ALL
        SELECT 'pg_foreign_server'::regclass, v.oid, NULL,
               concat_ws(' ', 'WRAPPER', quote_ident(w.fdwname), 'TYPE ' || v.srvtype, 'VERSION ' || v.srvversion,
                         (SELECT 'OPTIONS ' || string_agg({option}, ', ' ORDER BY o.entry)
                            FROM unnest(v.srvoptions) AS o (entry)))
          FROM pg_foreign_server AS v
          JOIN pg_foreign_data_wrapper AS w ON w.oid = v.srvfdw) AS o
 CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
 -- Below 16384 are the objects that initdb made.
 WHERE o.oid >= 16384
   AND (o.schema IS NULL OR o.schema IN ({schemas}))
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
