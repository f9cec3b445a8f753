-- What is declared in files, and may be taken away when no file declares it any more. Not part of what anybody may do, so without a
-- revision; the rules of changes forget what is gone.
CREATE TABLE managed (
    kind TEXT NOT NULL CHECK (kind IN ('key', 'space', 'role', 'group', 'binding', 'policy')),
    id   TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- The key that the store began with is never managed.
ALTER TABLE keys ADD COLUMN is_first INTEGER NOT NULL DEFAULT 0 CHECK (is_first IN (0, 1));
UPDATE keys SET is_first = 1 WHERE id IN (SELECT resource FROM audit WHERE action = 'key.bootstrap');
