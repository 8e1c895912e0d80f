"""Attacks on the managed warehouse, as data: each must be refused, or find nothing that is not the caller's.

`MINE` is the caller's organization, `THEIRS` the other one's id; grow the lists until you cannot think of another.
"""

WRITES = """
INSERT INTO exposures VALUES (1)
INSERT INTO managed_rewards (name) VALUES ('x')
UPDATE rewards SET value = 0
UPDATE managed_rewards SET organization_id = {MINE}
DELETE FROM rewards
DELETE FROM managed_exposures WHERE organization_id = {THEIRS}
REPLACE INTO rewards VALUES (1)
MERGE INTO rewards USING exposures ON true WHEN MATCHED THEN DELETE
TRUNCATE managed_rewards
TRUNCATE TABLE rewards
DROP TABLE managed_rewards
DROP VIEW managed_exposures
DROP TABLE rewards CASCADE
CREATE TABLE t (a int)
CREATE TABLE t AS SELECT * FROM rewards
CREATE TEMP TABLE t AS SELECT * FROM managed_rewards
CREATE VIEW v AS SELECT * FROM managed_rewards
CREATE TEMP VIEW v AS SELECT * FROM main.managed_rewards
CREATE INDEX i ON managed_rewards (name)
CREATE FUNCTION f() RETURNS int AS 'select 1' LANGUAGE sql
CREATE EXTENSION dblink
CREATE ROLE evil SUPERUSER
CREATE TRIGGER t AFTER INSERT ON managed_rewards BEGIN SELECT 1; END
ALTER TABLE managed_rewards RENAME TO gone
ALTER TABLE managed_rewards DISABLE ROW LEVEL SECURITY
ALTER ROLE levered_reader SUPERUSER
ALTER SYSTEM SET fsync = off
GRANT ALL ON managed_rewards TO PUBLIC
REVOKE ALL ON managed_rewards FROM PUBLIC
WITH d AS (DELETE FROM managed_rewards RETURNING *) SELECT * FROM d
WITH d AS (INSERT INTO managed_rewards (name) VALUES ('x') RETURNING *) SELECT * FROM d
WITH d AS (UPDATE managed_rewards SET value = 9 RETURNING *) SELECT * FROM d
WITH d AS (DELETE FROM rewards RETURNING *) SELECT 1
SELECT * INTO evil FROM rewards
SELECT * INTO TEMP evil FROM managed_rewards
SELECT * FROM rewards FOR UPDATE
SELECT * FROM rewards FOR SHARE
SELECT * FROM rewards FOR NO KEY UPDATE SKIP LOCKED
LOCK TABLE managed_rewards
COPY managed_rewards TO STDOUT
COPY (SELECT * FROM managed_rewards) TO PROGRAM 'cat'
COPY rewards FROM '/etc/passwd'
VACUUM
REINDEX
ANALYZE
CLUSTER managed_rewards
REFRESH MATERIALIZED VIEW v
COMMENT ON TABLE managed_rewards IS 'x'
NOTIFY channel
LISTEN channel
CALL p()
DO $$ BEGIN DELETE FROM managed_rewards; END $$
PREPARE s AS SELECT * FROM managed_rewards
EXECUTE s
DEALLOCATE ALL
DISCARD ALL
DECLARE c CURSOR FOR SELECT * FROM managed_rewards
FETCH ALL FROM levered_reader
EXPLAIN SELECT * FROM managed_rewards
EXPLAIN ANALYZE DELETE FROM managed_rewards
EXPLAIN QUERY PLAN SELECT * FROM rewards
BEGIN
SAVEPOINT s
RELEASE s
SET ROLE postgres
RESET ROLE
SET SESSION AUTHORIZATION DEFAULT
SET levered.organization = '{THEIRS}'
SET TRANSACTION READ WRITE
SET statement_timeout = 0
SHOW ALL
SHOW data_directory
PRAGMA query_only = 0
PRAGMA writable_schema = 1
PRAGMA database_list
PRAGMA table_list
PRAGMA table_info(managed_rewards)
ATTACH DATABASE ':memory:' AS evil
ATTACH '/tmp/evil.db' AS evil
DETACH DATABASE main
VALUES (1)
TABLE managed_rewards
HANDLER rewards OPEN
SIGNAL SQLSTATE '45000'
"""

CHAINS = """
SELECT 1; DELETE FROM managed_rewards
SELECT 1; SELECT * FROM managed_rewards
SELECT 1;;DROP TABLE managed_rewards;--
SELECT 1 --; ' ; \\n; DELETE FROM managed_rewards
; DELETE FROM managed_rewards
SELECT 'a' ; ; SELECT * FROM managed_rewards
SELECT ';' ; SELECT * FROM managed_rewards
SELECT 1) AS q; DELETE FROM managed_rewards; SELECT * FROM (SELECT 1
SELECT 1) AS q LIMIT 0 UNION SELECT anonymous_id FROM managed_rewards --
SELECT 1) q, managed_rewards --
SELECT 1 FROM rewards) AS q, (SELECT * FROM managed_rewards
SELECT 1 /* ) AS q; DELETE FROM managed_rewards; */
SELECT 1 /* /* nested */ ) AS q; DELETE FROM managed_rewards; -- */
SELECT 1 /*/**/ */ UNION SELECT anonymous_id FROM managed_rewards -- */
SELECT 1 -- comment that swallows the bracket
SELECT 1 # comment of another dialect
SELECT /*!50000 anonymous_id FROM managed_rewards UNION SELECT */ 1
SELECT /*+ SeqScan(managed_rewards) */ 1
SELECT $$ ; DELETE FROM managed_rewards; $$
SELECT $a$ ' $a$ ; DELETE FROM managed_rewards
SELECT E'\\' ; DELETE FROM managed_rewards --'
SELECT 'a\\' ; DELETE FROM managed_rewards --'
SELECT E'\\'' || (SELECT string_agg(anonymous_id, ',') FROM managed_rewards) --'
SELECT U&'\\0027 UNION SELECT anonymous_id FROM managed_rewards --'
SELECT "a"" FROM managed_rewards --"
SELECT `a`` FROM managed_rewards --`
SELECT [a]] FROM managed_rewards --]
SELECT 'x''' UNION SELECT anonymous_id FROM managed_rewards --'
SELECT q'[ ' ]' FROM managed_rewards
SELECT N'x' FROM managed_rewards
SELECT 1 UNION SELECT anonymous_id FROM managed_rewards\x00
SELECT 1 GO DELETE FROM managed_rewards
\\copy managed_rewards to '/tmp/x'
\\! id
.dump
.shell id
"""

TABLES = """
SELECT * FROM managed_rewards
SELECT * FROM managed_exposures
SELECT * FROM MANAGED_REWARDS
SELECT * FROM "managed_rewards"
SELECT * FROM [managed_rewards]
SELECT * FROM `managed_rewards`
SELECT * FROM main.managed_rewards
SELECT * FROM "main"."managed_rewards"
SELECT * FROM temp.managed_rewards
SELECT * FROM public.managed_rewards
SELECT * FROM public.rewards
SELECT * FROM managed_dw.managed_rewards
SELECT * FROM managed_dw.organizations_apikey
SELECT * FROM other.managed_dw.rewards
SELECT * FROM ONLY managed_rewards
SELECT * FROM managed_rewards *
SELECT * FROM managed_rewards AS rewards
SELECT * FROM managed_rewards rewards
SELECT * FROM rewards, managed_rewards
SELECT * FROM rewards AS managed_rewards JOIN managed_rewards AS r2 ON true
SELECT * FROM rewards JOIN managed_rewards ON true
SELECT * FROM rewards CROSS JOIN managed_rewards
SELECT * FROM rewards NATURAL JOIN managed_rewards
SELECT * FROM rewards LEFT JOIN LATERAL (SELECT * FROM managed_rewards) x ON true
SELECT * FROM (rewards JOIN managed_rewards ON true)
SELECT * FROM ((managed_rewards))
SELECT * FROM (SELECT * FROM (SELECT * FROM managed_rewards) a) b
SELECT (SELECT anonymous_id FROM managed_rewards LIMIT 1)
SELECT 1 WHERE EXISTS (SELECT 1 FROM managed_rewards WHERE organization_id = {THEIRS})
SELECT 1 FROM rewards WHERE anonymous_id IN (SELECT anonymous_id FROM managed_rewards)
SELECT 1 FROM rewards ORDER BY (SELECT anonymous_id FROM managed_rewards LIMIT 1)
SELECT 1 FROM rewards LIMIT (SELECT COUNT(*) FROM managed_rewards)
SELECT 1 FROM rewards GROUP BY (SELECT anonymous_id FROM managed_rewards LIMIT 1)
SELECT COUNT(*) FROM rewards HAVING COUNT(*) < (SELECT COUNT(*) FROM managed_rewards)
SELECT CASE WHEN (SELECT COUNT(*) FROM managed_rewards) > 1 THEN 1 END
SELECT SUM(value) FILTER (WHERE name IN (SELECT name FROM managed_rewards)) FROM rewards
SELECT SUM(value) OVER (ORDER BY (SELECT MAX(name) FROM managed_rewards)) FROM rewards
SELECT * FROM rewards UNION SELECT * FROM managed_rewards
SELECT anonymous_id FROM rewards UNION ALL SELECT anonymous_id FROM managed_rewards
SELECT anonymous_id FROM managed_rewards EXCEPT SELECT anonymous_id FROM rewards
SELECT anonymous_id FROM managed_rewards INTERSECT SELECT anonymous_id FROM managed_rewards
(SELECT anonymous_id FROM managed_rewards)
(SELECT 1) UNION (SELECT anonymous_id FROM managed_rewards)
FROM managed_rewards
FROM managed_rewards SELECT anonymous_id
SELECT * FROM managed_rewards TABLESAMPLE SYSTEM (100)
SELECT * FROM rewards TABLESAMPLE BERNOULLI (1) REPEATABLE (1)
SELECT * FROM managed_rewards INDEXED BY rewards_by_time
SELECT * FROM managed_rewards NOT INDEXED
SELECT * FROM managed_rewards PIVOT (COUNT(*) FOR name IN ('a'))
SELECT * FROM rewards WHERE organization_id = {THEIRS}
SELECT organization_id FROM rewards
SELECT rewards.organization_id, id, idempotency_key, received_at FROM rewards
SELECT rowid, * FROM rewards
SELECT oid, _rowid_ FROM rewards
SELECT ctid, xmin, tableoid FROM rewards
SELECT tableoid::regclass FROM rewards
SELECT rewards FROM rewards
SELECT (rewards).organization_id FROM rewards
SELECT (rewards.*).organization_id FROM rewards
SELECT to_json(rewards) FROM rewards
SELECT row_to_json(managed_rewards) FROM managed_rewards
SELECT main.managed_rewards.anonymous_id FROM rewards
SELECT public.rewards.anonymous_id FROM rewards
SELECT * FROM rewards r, LATERAL (SELECT * FROM managed_rewards m WHERE m.anonymous_id <> r.anonymous_id) x
SELECT * FROM organizations_apikey
SELECT * FROM organizations_user
SELECT * FROM organizations_organization
SELECT * FROM django_session
SELECT secret_hash FROM organizations_apikey
SELECT password FROM auth_user
SELECT * FROM optimizations_optimization
SELECT * FROM warehouse_metric
SELECT * FROM sqlite_master
SELECT * FROM sqlite_schema
SELECT * FROM sqlite_temp_master
SELECT * FROM temp.sqlite_schema
SELECT * FROM main.sqlite_master
SELECT * FROM sqlite_sequence
SELECT * FROM sqlite_stat1
SELECT * FROM dbstat
SELECT * FROM sqlite_dbpage
SELECT * FROM pragma_table_info('managed_rewards')
SELECT * FROM pragma_database_list
SELECT * FROM pragma_function_list
SELECT * FROM pg_catalog.pg_class
SELECT * FROM pg_class
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_user
SELECT * FROM pg_settings
SELECT * FROM pg_stat_activity
SELECT * FROM pg_stats
SELECT * FROM pg_statistic
SELECT * FROM pg_locks
SELECT * FROM pg_file_settings
SELECT * FROM pg_hba_file_rules
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.columns
SELECT * FROM stage_managed_rewards
SELECT * FROM pg_temp.stage_managed_rewards
SELECT * FROM '/etc/passwd'
SELECT * FROM "/etc/passwd"
SELECT * FROM 's3://bucket/x.parquet'
SELECT * FROM @stage/file
SELECT * FROM generate_series(1, 10)
SELECT * FROM json_each('[1]')
SELECT * FROM json_tree(properties)
SELECT * FROM rewards, json_each(rewards.properties)
SELECT * FROM unnest(ARRAY[1, 2])
SELECT * FROM ROWS FROM (generate_series(1, 2))
SELECT * FROM XMLTABLE('/x' PASSING '<x/>' COLUMNS a int)
SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a int))
SELECT * FROM dblink('host=127.0.0.1', 'select 1') AS t(a int)
SELECT * FROM pg_ls_dir('.')
SELECT * FROM query_to_xml('select * from managed_rewards', true, true, '')
"""

CTES = """
WITH managed_rewards AS (SELECT * FROM managed_rewards) SELECT * FROM managed_rewards
WITH managed_rewards AS (SELECT * FROM main.managed_rewards) SELECT * FROM managed_rewards
WITH a AS (SELECT * FROM managed_rewards), managed_rewards AS (SELECT 1 AS one) SELECT * FROM a
WITH RECURSIVE a AS (SELECT * FROM managed_rewards), managed_rewards AS (SELECT 1 AS one) SELECT * FROM a
WITH managed_rewards AS (SELECT 1 AS one) SELECT * FROM main.managed_rewards
WITH managed_rewards AS (SELECT 1 AS one) SELECT * FROM public.managed_rewards
WITH managed_rewards AS (SELECT 1 AS one) SELECT * FROM managed_dw.managed_rewards
WITH rewards AS (SELECT * FROM managed_rewards) SELECT * FROM rewards
WITH x AS (SELECT 1), rewards AS (SELECT * FROM managed_rewards) SELECT * FROM rewards
WITH "MANAGED_REWARDS" AS (SELECT 1 AS one) SELECT * FROM managed_rewards
WITH organizations_apikey AS (SELECT 1 AS one) SELECT * FROM "public"."organizations_apikey"
WITH a AS (WITH managed_rewards AS (SELECT 1 AS one) SELECT * FROM managed_rewards) SELECT * FROM managed_rewards
WITH a AS (WITH b AS (SELECT 1 AS one) SELECT * FROM b) SELECT * FROM b
SELECT * FROM (WITH managed_rewards AS (SELECT 1 AS one) SELECT * FROM managed_rewards) x, managed_rewards
WITH customer_1 AS (SELECT * FROM managed_rewards) SELECT * FROM customer_1
WITH exposures AS (SELECT * FROM exposures), rewards AS (SELECT * FROM rewards) SELECT * FROM exposures, rewards
WITH exposures AS (SELECT anonymous_id FROM exposures) SELECT * FROM managed_dw.exposures
WITH RECURSIVE exposures AS (SELECT * FROM exposures) SELECT * FROM exposures
WITH credited AS (SELECT * FROM rewards), stream AS (SELECT * FROM credited) SELECT * FROM stream
WITH tenant_managed_rewards AS (SELECT * FROM main.managed_rewards) SELECT * FROM tenant_managed_rewards
"""

FUNCTIONS = """
SELECT load_extension('evil')
SELECT load_extension('/tmp/evil.so', 'init')
SELECT readfile('/etc/passwd')
SELECT writefile('/tmp/evil', 'x')
SELECT edit('x')
SELECT fts3_tokenizer('simple')
SELECT fts3_tokenizer('simple', x'00')
SELECT randomblob(1000000000)
SELECT zeroblob(1000000000)
SELECT hex(zeroblob(1000000000))
SELECT sqlite_version()
SELECT sqlite_compileoption_get(1)
SELECT sqlite_log(1, 'x')
SELECT last_insert_rowid(), changes(), total_changes()
SELECT pg_sleep(100)
SELECT pg_catalog.pg_sleep(100)
SELECT "pg_sleep"(100)
SELECT PG_SLEEP(100)
SELECT pg_sleep_for('5 minutes')
SELECT "pg_catalog"."pg_sleep"(100)
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT pg_stat_file('/etc/passwd')
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
SELECT pg_cancel_backend(1)
SELECT pg_reload_conf()
SELECT pg_advisory_lock(1)
SELECT pg_notify('a', 'b')
SELECT pg_logical_emit_message(false, 'a', 'b')
SELECT set_config('role', 'postgres', false)
SELECT set_config('levered.organization', '{THEIRS}', false)
SELECT set_config('levered.organization', '{THEIRS}', true), anonymous_id FROM managed_rewards
SELECT set_config('levered.organization', '{THEIRS}.0', true), (SELECT string_agg(anonymous_id, ',') FROM managed_rewards)
SELECT set_config('role', 'none', true), (SELECT string_agg(anonymous_id, ',') FROM managed_rewards)
SELECT levered_sign({THEIRS})
SELECT set_config('levered.organization', levered_sign({THEIRS}), true), (SELECT string_agg(name, ',') FROM managed_rewards)
SELECT * FROM managed_reader_secret
SELECT levered_organization()
SELECT set_config('transaction_read_only', 'off', false)
SELECT set_config('statement_timeout', '0', false)
SELECT current_setting('is_superuser')
SELECT current_setting('levered.organization')
SELECT current_user
SELECT session_user
SELECT user
SELECT current_database()
SELECT current_catalog
SELECT current_schema
SELECT version()
SELECT inet_server_addr()
SELECT query_to_xml('select * from managed_rewards', true, true, '')
SELECT table_to_xml('managed_rewards', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT cursor_to_xml('levered_reader', 10, true, true, '')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/x')
SELECT lo_get(1)
SELECT lo_create(0)
SELECT dblink('host=127.0.0.1', 'select 1')
SELECT nextval('managed_rewards_id_seq')
SELECT setval('managed_rewards_id_seq', 1)
SELECT currval('managed_rewards_id_seq')
SELECT txid_current()
SELECT 'managed_rewards'::regclass
SELECT 'managed_rewards'::regclass::oid
SELECT 'postgres'::regrole
SELECT CAST('pg_sleep(double precision)' AS regprocedure)
SELECT has_table_privilege('managed_rewards', 'select')
SELECT obj_description('managed_rewards'::regclass)
SELECT pg_relation_size('managed_rewards')
SELECT pg_get_viewdef('pg_user')
SELECT row_security_active('managed_rewards')
SELECT ts_stat('select to_tsvector(anonymous_id) from managed_rewards')
SELECT xpath('/x', '<x/>')
SELECT repeat('x', 1000000000)
SELECT lpad('x', 1000000000, 'y')
SELECT replace(printf('%1000000000d', 1), ' ', 'xx')
SELECT getenv('HOME')
SELECT SYSTEM$ABORT_SESSION(1)
SELECT EXTERNAL_QUERY('c', 'select 1')
SELECT url('http://127.0.0.1')
SELECT LOAD_FILE('/etc/passwd')
SELECT SLEEP(100)
SELECT BENCHMARK(1000000000, MD5('x'))
SELECT levered_instant('x'), levered_number('x')
SELECT @@version
SELECT @other
SELECT :start_date
SELECT $1
SELECT ?1
SELECT %s
SELECT %(start_date)s
SELECT {fn now()}
"""

# They end in bounded time.
BOMBS = """
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t
WITH RECURSIVE t(n) AS (SELECT 'x' UNION ALL SELECT n || n FROM t) SELECT MAX(LENGTH(n)) FROM t
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t ORDER BY n DESC
SELECT COUNT(*) FROM rewards a, rewards b, rewards c, rewards d, rewards e, rewards f, rewards g, rewards h, rewards i, rewards j, rewards k, rewards l, rewards m, rewards n
"""

# SQL that is fine: it must pass, and show the caller's rows only.
HARMLESS = """
SELECT * FROM rewards
SELECT * FROM exposures
SELECT * FROM EXPOSURES
SELECT * FROM "Exposures"
SELECT * FROM managed_dw.exposures
SELECT * FROM "MANAGED_DW"."Rewards"
SELECT managed_dw.rewards.name FROM managed_dw.rewards
SELECT r.* FROM rewards AS r
SELECT timestamp_utc, timestamp FROM exposures WHERE timestamp >= @start_date
SELECT anonymous_id FROM rewards WHERE name LIKE '10%' OR name LIKE '%s' OR name LIKE '%(x)s' OR name LIKE '100%%'
SELECT anonymous_id, ';DELETE FROM managed_rewards' AS x, '--' AS y, '/*' AS z FROM rewards -- it's fine
SELECT 'it''s' AS a, '\\n' AS b, '\\' AS c, 'managed_rewards' AS d
WITH rewards AS (SELECT * FROM rewards) SELECT * FROM rewards
WITH exposures AS (SELECT * FROM rewards) SELECT name FROM exposures
WITH managed_rewards AS (SELECT * FROM rewards) SELECT * FROM managed_rewards
WITH sqlite_master AS (SELECT 1 AS one) SELECT * FROM sqlite_master
WITH a AS (SELECT 1 AS n), b AS (SELECT n + 1 AS n FROM a) SELECT a.n, b.n FROM a JOIN b ON b.n > a.n
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t
SELECT * FROM (SELECT anonymous_id, COUNT(*) AS n FROM exposures GROUP BY anonymous_id HAVING COUNT(*) > 0) x
SELECT e.anonymous_id, r.value FROM exposures e LEFT JOIN rewards r ON r.anonymous_id = e.anonymous_id
SELECT anonymous_id FROM exposures UNION SELECT anonymous_id FROM rewards ORDER BY 1 LIMIT 5
SELECT anonymous_id, ROW_NUMBER() OVER (PARTITION BY anonymous_id ORDER BY timestamp) AS n FROM rewards
SELECT anonymous_id, CASE WHEN value > 1 THEN 'big' ELSE 'small' END AS size, CAST(value AS INTEGER) AS v FROM rewards
SELECT variant ->> 'cta' AS cta FROM exposures WHERE context ->> 'device' = 'mobile'
SELECT COUNT(*) FILTER (WHERE value > 0) AS n, SUM(value), AVG(value), MIN(timestamp), MAX(timestamp) FROM rewards
SELECT name FROM rewards r WHERE EXISTS (SELECT 1 FROM exposures e WHERE e.anonymous_id = r.anonymous_id)
SELECT DISTINCT name, COALESCE(value, 0), LOWER(name), SUBSTR(name, 1, 3), TRIM(name), LENGTH(name) FROM rewards
SELECT * FROM rewards WHERE value BETWEEN 0 AND 1 OR name IN ('a', 'b') AND NOT (name IS NULL) OR value <> -1;
(SELECT anonymous_id FROM rewards)
"""


# Of the attacks, those that one of the parsers understands, and that rewriting makes harmless.
DISARMED = """
SELECT 1 /* ) AS q; DELETE FROM managed_rewards; */
SELECT 1 /* /* nested */ ) AS q; DELETE FROM managed_rewards; -- */
SELECT 1 -- comment that swallows the bracket
SELECT $$ ; DELETE FROM managed_rewards; $$
SELECT rewards FROM rewards
SELECT to_json(rewards) FROM rewards
SELECT rowid, * FROM rewards
SELECT oid, _rowid_ FROM rewards
SELECT replace(printf('%1000000000d', 1), ' ', 'xx')
SELECT {fn now()}
WITH "MANAGED_REWARDS" AS (SELECT 1 AS one) SELECT * FROM managed_rewards
WITH exposures AS (SELECT * FROM exposures), rewards AS (SELECT * FROM rewards) SELECT * FROM exposures, rewards
WITH exposures AS (SELECT anonymous_id FROM exposures) SELECT * FROM managed_dw.exposures
WITH credited AS (SELECT * FROM rewards), stream AS (SELECT * FROM credited) SELECT * FROM stream
"""


def lines(text: str) -> list[str]:
    return [line.replace("\\n", "\n") if "--;" in line else line for line in text.strip().splitlines()]


REFUSED = [sql for group in (WRITES, CHAINS, TABLES, CTES, FUNCTIONS) for sql in lines(group)]
ENDLESS = lines(BOMBS)
REWRITTEN = lines(DISARMED)
FINE = lines(HARMLESS)

# On customers' own warehouses, in each one's dialect: all of it is refused before it leaves.
_REACH = {
    "postgres": """
SELECT pg_read_file('/etc/passwd')
SELECT pg_catalog.pg_read_file('/etc/passwd')
SELECT pg_sleep(100)
SELECT lo_import('/etc/passwd')
SELECT dblink('host=10.0.0.1', 'select 1')
SELECT * FROM dblink('host=10.0.0.1', 'select 1') AS t(a int)
SELECT http_get('http://169.254.169.254/')
SELECT net.http_get('http://169.254.169.254/')
SELECT aws_lambda.invoke('f', '{}')
SELECT my_schema.my_function(1)
SELECT pg_terminate_backend(1)
SELECT set_config('statement_timeout', '0', false)
SELECT query_to_xml('select 1', true, true, '')
SELECT nextval('s')
COPY t TO PROGRAM 'cat'
WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d
SELECT * INTO evil FROM t
SELECT * FROM t FOR UPDATE
SELECT 1; DROP TABLE t
""",
    "duckdb": """
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv_auto('/etc/passwd')
SELECT * FROM read_parquet('s3://bucket/x')
SELECT * FROM read_json('/x')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM glob('/*')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM parquet_metadata('/x')
SELECT * FROM '/etc/passwd'
SELECT * FROM "/etc/passwd"
SELECT * FROM 'x.csv'
SELECT * FROM 'https://example.com/x.parquet'
FROM 'x.parquet'
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('t')
SELECT * FROM sqlite_scan('/x.db', 't')
SELECT * FROM postgres_scan('host=10.0.0.1', 'public', 't')
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_settings()
SELECT getenv('HOME')
SELECT current_setting('memory_limit')
SELECT sleep_ms(100000)
SELECT nextval('s')
ATTACH '/tmp/x.db'
INSTALL httpfs
LOAD httpfs
COPY t TO '/tmp/x.csv'
EXPORT DATABASE '/tmp/x'
PRAGMA database_list
SET memory_limit = '100GB'
USE memory
CALL pragma_version()
SELECT 1; DROP TABLE t
SUMMARIZE t
""",
    "snowflake": """
SELECT * FROM @stage/file.csv
SELECT $1 FROM @~/x (FILE_FORMAT => 'csv')
SELECT * FROM 's3://bucket/x'
SELECT SYSTEM$WAIT(100)
SELECT SYSTEM$CANCEL_ALL_QUERIES(1)
SELECT SYSTEM$TYPEOF(1)
SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))
SELECT * FROM TABLE(information_schema.query_history())
SELECT * FROM TABLE('t')
SELECT * FROM IDENTIFIER('t')
SELECT * FROM $x
SELECT $1
SELECT GET_PRESIGNED_URL(@stage, 'x')
SELECT BUILD_SCOPED_FILE_URL(@stage, 'x')
SELECT TO_FILE('@stage/x')
SELECT SNOWFLAKE.CORTEX.COMPLETE('m', 'p')
SELECT AI_COMPLETE('m', 'p')
SELECT db.sch.my_external_function(1)
SELECT my_external_function(1)
PUT file:///etc/passwd @stage
GET @stage file:///tmp
COPY INTO @stage FROM t
CALL p()
EXECUTE IMMEDIATE 'DROP TABLE t'
ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 0
USE ROLE ACCOUNTADMIN
SELECT 1; DROP TABLE t
SELECT seq.NEXTVAL
""",
    "bigquery": """
SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')
SELECT * FROM ML.PREDICT(MODEL m, (SELECT 1))
SELECT * FROM ML.GENERATE_TEXT(MODEL m, (SELECT 1))
SELECT AI.GENERATE('x')
SELECT * FROM VECTOR_SEARCH(TABLE t, 'c', TABLE q)
SELECT ds.remote_function(1)
SELECT `p.ds.remote_function`(1)
SELECT * FROM ds.my_table_function(1)
SELECT my_function(1)
SELECT @@project_id
SELECT @other
EXPORT DATA OPTIONS (uri='gs://b/x') AS SELECT 1
LOAD DATA INTO t FROM FILES (uris=['gs://b/x'])
CREATE TEMP FUNCTION f() AS (1); SELECT f()
DECLARE x INT64; SELECT x
EXECUTE IMMEDIATE 'DROP TABLE t'
CALL p()
SELECT 1; DROP TABLE t
ASSERT TRUE
""",
}
REACHING = [(dialect, sql) for dialect, text in _REACH.items() for sql in lines(text)]

# What people write there, which must pass.
_WITHIN = {
    "postgres": """
SELECT user_id, created_at AS ts FROM app.orders WHERE created_at >= @start_date AND name LIKE '10%'
SELECT date_trunc('day', at) AS d, COUNT(*) FILTER (WHERE x > 1), json_data ->> 'a' FROM t GROUP BY 1, 3
SELECT * FROM t, jsonb_array_elements(t.items) AS item
SELECT DISTINCT ON (a) a, pg_catalog.btrim(b) FROM "Mixed"."Case" ORDER BY a
""",
    "duckdb": """
SELECT user_id, epoch_us(at) AS us, payload ->> 'a' AS a FROM shop.main.orders WHERE at >= @start_date
SELECT * EXCLUDE (x) FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1
SELECT unnest(list_transform([1, 2], x -> x + 1)) AS n, arg_max(a, b), median(c) FROM t GROUP BY ALL
""",
    "snowflake": """
SELECT v:a.b::string AS s, IFF(x > 1, 'a', 'b') AS y FROM db.sch.t WHERE ts >= @start_date
SELECT f.value FROM t, LATERAL FLATTEN(input => t.items) f
SELECT DATEADD(day, 1, ts), TRY_PARSE_JSON(x), ZEROIFNULL(y) FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1
""",
    "bigquery": """
SELECT user_pseudo_id, TIMESTAMP_MICROS(event_timestamp) AS ts FROM `p.analytics_1.events_*` WHERE _TABLE_SUFFIX >= '20260101'
SELECT JSON_VALUE(v, '$.a') AS a, SAFE_DIVIDE(x, y), SAFE.PARSE_DATE('%F', d) FROM ds.t WHERE ts >= @start_date
SELECT (SELECT value.string_value FROM UNNEST(event_params) WHERE key = 'x') AS x FROM t, UNNEST(items) AS item
""",
}
WITHIN = [(dialect, sql) for dialect, text in _WITHIN.items() for sql in lines(text)]
