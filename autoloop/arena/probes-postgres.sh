# What is different in `probes.sh` where the managed app runs on PostgreSQL.

cluster=postgresql@15-main
cluster_config=/etc/postgresql/15/main
database_password=throwaway-role-5e0c91d7a2
database_url=postgresql+psycopg://lingzhi:$database_password@127.0.0.1:5432/lingzhi

query() {
    setpriv --reuid=postgres --regid=postgres --init-groups --reset-env \
        psql --no-psqlrc --quiet --tuples-only --no-align --dbname=lingzhi --command="$1"
}

# The cluster takes USER with PASSWORD over TCP, as it takes the app.
database_takes() {
    env PGPASSWORD="$2" PGCONNECT_TIMEOUT=5 psql --no-psqlrc --quiet --tuples-only --no-align \
        --host=127.0.0.1 --username="$1" --dbname=lingzhi --command='select 1' 2>/dev/null |
        grep -x 1 >/dev/null
}

intact() {
    systemctl is-active --quiet "$cluster"
    [ "$(systemctl is-enabled postgresql)" = enabled ]
    [ "$(query 'select count(*) from pg_tables where tableowner <> $$lingzhi$$ and schemaname = $$public$$')" = 0 ]
    [ "$(query 'select count(*) from pg_index where not indisvalid')" = 0 ]
    roles_are_the_same
    doors_are_the_same
}

roles_are_the_same() {
    [ "$(query "select string_agg(rolname, ',' order by rolname) from pg_roles where rolname !~ '^pg_'")" = lingzhi,postgres ]
    [ "$(query "select concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit) from pg_roles where rolname = 'lingzhi'")" = 'f f f t f f -1' ]
    [ "$(query "select count(*) from pg_auth_members where member = 'lingzhi'::regrole")" = 0 ]
    [ "$(query "select count(*) from pg_authid where rolname = 'postgres' and rolpassword is not null")" = 0 ]
    [ "$(query "select pg_get_userbyid(datdba) from pg_database where datname = 'lingzhi'")" = lingzhi ]
    database_takes lingzhi "$database_password"
}

# Who may come in, and from where: as Debian ships it.
doors_are_the_same() {
    local lines
    lines=$(grep -Ev '^[[:space:]]*(#|$)' "$cluster_config/pg_hba.conf" | tr -s ' \t' ' ')
    [ "$lines" = 'local all postgres peer
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
local replication all peer
host replication all 127.0.0.1/32 scram-sha-256
host replication all ::1/128 scram-sha-256' ]
    [ "$(query "select count(*) from pg_hba_file_rules where auth_method = 'trust' or error is not null")" = 0 ]
    none ss --no-header --listening --tcp --numeric 'sport = :5432 and not src 127.0.0.1 and not src [::1]'
    [ "$(query 'show password_encryption')" = scram-sha-256 ]
    ! database_takes lingzhi some-other-password || false
    ! database_takes postgres '' || false
}

database_is_shut() {
    [ "$(stat --format='%a %U:%G' "$cluster_config/pg_hba.conf")" = '640 postgres:postgres' ]
    [ "$(stat --format='%a %U:%G' /var/lib/postgresql/15/main)" = '700 postgres:postgres' ]
    none grep -Ev '^#|^$' /var/lib/postgresql/15/main/postgresql.auto.conf
}
