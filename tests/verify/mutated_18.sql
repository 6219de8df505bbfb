-- What only 18 has.
SET ROLE {owner};
CREATE TABLE app.since_18 (
    id integer CONSTRAINT id_there NOT NULL,
    w integer,
    CONSTRAINT loose CHECK (w > 0) NOT ENFORCED,
    CONSTRAINT later NOT NULL w NO INHERIT
);
CREATE TABLE app.virtual_18 (id integer, v integer GENERATED ALWAYS AS (id + 1) VIRTUAL);
RESET ROLE;
