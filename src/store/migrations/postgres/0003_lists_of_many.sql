-- What keys and bindings are found by without a walk through all of them, however many there are: keys by their state, by their end, and by a
-- part of their name; bindings by their role.
CREATE INDEX keys_not_revoked ON keys (id) WHERE revoked_at IS NULL;
CREATE INDEX keys_revoked ON keys (id) WHERE revoked_at IS NOT NULL;
CREATE INDEX keys_disabled ON keys (id) WHERE disabled_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX keys_by_end ON keys (expires_at, id) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX bindings_of_roles ON bindings (role, id);

-- The parts of three characters of a name. No extension is needed for it, so no right that the owner of the tables does not have. It is said to
-- cost much, so that it is asked of the index, and never of every row.
CREATE FUNCTION name_parts(name TEXT) RETURNS TEXT[] LANGUAGE SQL IMMUTABLE STRICT COST 1000
    AS 'SELECT ARRAY(SELECT substr(name, place, 3) FROM generate_series(1, length(name) - 2) AS place)';
-- Whatever has been taken from everybody by default: who writes a name writes its parts.
GRANT EXECUTE ON FUNCTION name_parts(TEXT) TO PUBLIC;
-- What has not been put in order yet is looked through by every search, so it is little.
CREATE INDEX keys_by_name_parts ON keys USING gin (name_parts(name)) WITH (gin_pending_list_limit = 256);
