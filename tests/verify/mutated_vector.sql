-- What the servers of the wheel bring, and Debian's does not.
CREATE SCHEMA ext AUTHORIZATION {owner};
CREATE EXTENSION vector SCHEMA ext;
