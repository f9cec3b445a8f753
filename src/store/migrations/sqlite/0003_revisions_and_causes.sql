-- Every row says which revision last changed it. Rows from before this step say 0; the next change gives them a number like any other.
ALTER TABLE state ADD COLUMN strategy_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- Of a key, whatever belongs to it: its secrets, groups and bindings too.
ALTER TABLE keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bindings ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE policies ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- The audit is asked for one actor, one kind of action, one resource, a time. The revision is part of each index.
CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_action ON audit (action);
CREATE INDEX audit_by_resource ON audit (resource);
CREATE INDEX audit_by_time ON audit (at);

-- And for a space: a change to it, to a binding in it, or to a key that is or was bound in it.
CREATE TABLE audit_spaces (
    space    TEXT    NOT NULL,
    revision INTEGER NOT NULL REFERENCES audit (revision),
    PRIMARY KEY (space, revision)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT resource, revision FROM audit WHERE action IN ('space.create', 'space.update', 'space.delete');
INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT json_extract(before, '$.parent'), revision FROM audit
    WHERE action = 'space.update' AND json_extract(before, '$.parent') <> json_extract(after, '$.parent');
INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT json_extract(after, '$.parent'), revision FROM audit
    WHERE action = 'space.update' AND json_extract(before, '$.parent') <> json_extract(after, '$.parent');
INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT json_extract(coalesce(after, before), '$.space'), revision FROM audit WHERE action IN ('binding.create', 'binding.delete');
INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT json_extract(b.value, '$.space'), a.revision FROM audit a, json_each(a.before, '$.bindings') b WHERE a.action LIKE 'key.%';
INSERT OR IGNORE INTO audit_spaces (space, revision)
    SELECT json_extract(b.value, '$.space'), a.revision FROM audit a, json_each(a.after, '$.bindings') b WHERE a.action LIKE 'key.%';
