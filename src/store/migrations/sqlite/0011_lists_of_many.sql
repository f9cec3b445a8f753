-- What keys and bindings are found by without a walk through all of them, however many there are: keys by their state, by their end, and by a
-- part of their name; bindings by their role.
CREATE INDEX keys_not_revoked ON keys (id) WHERE revoked_at IS NULL;
CREATE INDEX keys_revoked ON keys (id) WHERE revoked_at IS NOT NULL;
CREATE INDEX keys_disabled ON keys (id) WHERE disabled_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX keys_by_end ON keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX bindings_of_roles ON bindings (role);

-- Every name that a key has or had has a number, by which the parts of three characters of it are found. A name that is given up stays: whoever
-- finds a key by it looks at what the key is called now. Nothing refers to keys, so that a restore need not look for every key that it takes out.
CREATE TABLE named_keys (
    number INTEGER NOT NULL PRIMARY KEY,
    key_id TEXT    NOT NULL
) STRICT;
CREATE VIRTUAL TABLE name_parts USING fts5 (name, content = '', columnsize = 0, detail = none, tokenize = 'trigram case_sensitive 1');

INSERT INTO named_keys (key_id) SELECT id FROM keys ORDER BY id;
INSERT INTO name_parts (rowid, name) SELECT n.number, k.name FROM named_keys n CROSS JOIN keys k ON k.id = n.key_id ORDER BY n.number;

-- So that it holds whatever version of the program writes.
CREATE TRIGGER keys_are_named AFTER INSERT ON keys BEGIN
    INSERT INTO named_keys (key_id) VALUES (new.id);
    INSERT INTO name_parts (rowid, name) VALUES (last_insert_rowid(), new.name);
END;
CREATE TRIGGER keys_are_renamed AFTER UPDATE OF name ON keys WHEN new.name <> old.name BEGIN
    INSERT INTO named_keys (key_id) VALUES (new.id);
    INSERT INTO name_parts (rowid, name) VALUES (last_insert_rowid(), new.name);
END;
