-- One option, o.entry, of a foreign wrapper, server, table, column or user mapping; of what may be secret, only a digest.
format('%s=%s', split_part(o.entry, '=', 1),
       CASE WHEN split_part(o.entry, '=', 1) ~* 'pass|secret|token|key|cred'
            THEN 'hidden ' || left(encode(sha256(convert_to({salt} || o.entry, 'UTF8')), 'hex'), 16)
            ELSE substr(o.entry, strpos(o.entry, '=') + 1) END)
