# What the scripts of a fault may ask of the managed app. Each function fails with the line
# that was not so on standard error. They change nothing on the host.

site=/etc/nginx/sites-available/lingzhi
env_file=/etc/lingzhi/lingzhi.env
database=/srv/lingzhi/data/lingzhi_ecosystem.db
database_url=sqlite:///$database
secret=throwaway-hosts-only-b7d1f0a94c3e58

# From here on the script ends at the first command that fails, and says which.
strict() {
    set -eEuo pipefail
    trap 'echo "line $LINENO: not so: $BASH_COMMAND" >&2' ERR
}

# The command finds nothing. (After `!` a shell does not stop.)
none() { [ -z "$("$@" 2>&1 || true)" ]; }

query() { sqlite3 -readonly "$database" "$1"; }
ask() { curl --silent --show-error --insecure --max-time 15 "$@"; }
status_of() { ask --output /dev/null --write-out '%{http_code}' "$@"; }
login() {  # USER PASSWORD: what curl needs to send the body
    ask --header 'Content-Type: application/json' \
        --data "{\"username\":\"$1\",\"password\":\"$2\"}" https://127.0.0.1/api/login
}

token_of() {  # USER PASSWORD
    login "$1" "$2" | grep -oE '[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+'
}

# Python of the app's environment, with its settings and rights, in its folder.
in_app() {
    (
        set -a
        . "$env_file"
        set +a
        cd /srv/lingzhi/app
        exec setpriv --reuid=lingzhi --regid=lingzhi --clear-groups ../venv/bin/python -B "$@"
    )
}

# A token for the admin signed with the secret that the host had from the start.
early_token() {
    local head sub body signature
    base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
    sub=$(query "select id from users where username = 'admin'")
    body=$(printf '{"sub":"%s","exp":%d}' "$sub" $(($(date +%s) + 60)) | base64url)
    signature=$(printf %s "$head.$body" | openssl dgst -sha256 -hmac "$secret" -binary | base64url)
    echo "$head.$body.$signature"
}

# The unit runs the app, the app has the port, and people can use it through nginx.
app_works() {
    local main token at
    systemctl is-active --quiet lingzhi
    systemctl is-active --quiet nginx
    main=$(systemctl show --value --property=MainPID lingzhi)
    [ "$(stat --format=%U "/proc/$main")" = lingzhi ]
    ss --no-header --listening --tcp --numeric --processes 'sport = :8080' | grep "pid=$main," >/dev/null
    [ "$(ss --no-header --listening --tcp --numeric 'sport = :8080' | wc -l)" = 1 ]
    nginx -t -q
    for at in http://127.0.0.1 https://127.0.0.1; do
        ask --fail "$at/api/health" | grep -E '"status": *"ok"' >/dev/null
    done
    token=$(token_of lan user-lingzhi-demo)
    ask --fail --header "Authorization: Bearer $token" https://127.0.0.1/api/checkin/status |
        grep -E '"lingzhi_total": *20\b' >/dev/null
    ask --fail --header "Authorization: Bearer $(early_token)" http://127.0.0.1/api/admin/users |
        grep -E '"username": *"mei"' >/dev/null
}

# Each endpoint is there, wants a token where it must, and refuses what is not as asked. All is
# asked so that nothing is written.
every_path_answers() {
    local bearer api=https://127.0.0.1/api json='Content-Type: application/json'
    bearer="Authorization: Bearer $(token_of lan user-lingzhi-demo)"
    posted() { status_of --header "$json" --header "$bearer" --data "$2" "$api/$1"; }
    [ "$(posted login '{"username": 5, "password": "user-lingzhi-demo"}')" = 400 ]
    [ "$(posted login '{"username": "lan"}')" = 400 ]
    [ "$(posted login '["lan"]')" = 400 ]
    [ "$(posted register '{"username": "lan", "email": "l@lingzhi.example", "password": "short"}')" = 400 ]
    [ "$(posted register '{"username": "lan", "email": "l", "password": "long enough"}')" = 400 ]
    [ "$(posted register '{"username": "lan", "email": "l@lingzhi.example", "password": "long enough"}')" = 409 ]
    [ "$(posted chat '{"message": " "}')" = 400 ]
    [ "$(posted chat '{"message": "a\u0000"}')" = 400 ]
    [ "$(posted chat "{\"message\": \"$(printf %4001s x)\"}")" = 400 ]
    [ "$(posted chat '{"message": "Hello", "conversation_id": 999}')" = 404 ]
    [ "$(status_of --request POST "$api/checkin")" = 401 ]
    [ "$(status_of --header "$bearer" "$api/admin/users")" = 403 ]
    ask --fail --header "$bearer" "$api/conversations" | grep -F 'Good morning' >/dev/null
    ask --fail --header "$bearer" "$api/conversations/1" | grep -F 'plum tree' >/dev/null
}

# Nothing was lost or weakened, whether the app works or not.
nothing_lost() {
    data_is_there
    settings_are_the_same
    permissions_are_tight
    unit_is_the_same
    front_is_the_same
    still_refuses
}

intact() { [ "$(query 'pragma integrity_check')" = ok ]; }

data_is_there() {
    intact
    [ "$(query 'select count(*) from users')" -ge 7 ]
    [ "$(query 'select count(*) from checkins')" -ge 16 ]
    [ "$(query 'select count(*) from conversations')" -ge 4 ]
    [ "$(query 'select count(*) from messages')" -ge 14 ]
    [ "$(query "select count(*) from agents where name = 'lingzhi'")" = 1 ]
    [ "$(query "select username from users where role = 'admin'")" = admin ]
    [ "$(query "select count(*) from users where password_hash like '\$2b\$%'")" -ge 7 ]
}

settings_are_the_same() {
    [ "$(sed -n 's/^DATABASE_URL=//p' "$env_file" | tr -d "'\"")" = "$database_url" ]
    grep -Eqx "SECRET_KEY=['\"]?$secret['\"]?" "$env_file"
    grep -Eqx "JWT_TTL_S=['\"]?86400['\"]?" "$env_file"
    grep -qx "AGENT_MODEL_CONFIG='{\"model\": \"echo-1\", \"max_reply_chars\": 400}'" "$env_file"
    grep -qx 'LINGZHI_LOG_DIR=/var/log/lingzhi' "$env_file"
    [ "$(grep -c '^DATABASE_URL=' "$env_file")" = 1 ]
    none grep '^LINGZHI_BIND=' "$env_file"
}

database_is_shut() { [ "$(stat --format='%a %U:%G' "$database")" = '640 lingzhi:lingzhi' ]; }

permissions_are_tight() {
    [ "$(stat --format='%a %U:%G' "$env_file")" = '640 root:lingzhi' ]
    database_is_shut
    [ "$(stat --format='%a %U:%G' /srv/lingzhi/data)" = '750 lingzhi:lingzhi' ]
    [ "$(stat --format='%a %U:%G' /srv/lingzhi/app)" = '755 lingzhi:lingzhi' ]
    [ "$(stat --format='%a %U:%G' /etc/lingzhi/tls/key.pem)" = '600 root:root' ]
    [ "$(stat --format='%a %U:%G' /var/log/lingzhi)" = '750 lingzhi:adm' ]
    none find /srv /etc /var/log/lingzhi -perm /o+w ! -type l ! -type c
    [ "$(id --name --groups lingzhi)" = lingzhi ]
}

unit_is_the_same() {
    local shown
    shown() { systemctl show --value --property="$1" lingzhi; }
    [ "$(shown FragmentPath)" = /etc/systemd/system/lingzhi.service ]
    [ -z "$(shown DropInPaths)" ]
    [ -z "$(shown Environment)" ]
    [ "$(shown User) $(shown Group)" = 'lingzhi lingzhi' ]
    [ "$(shown EnvironmentFiles)" = "$env_file (ignore_errors=no)" ]
    shown ExecStart | grep -F 'gunicorn --config gunicorn.conf.py app:app ;' >/dev/null
    [ "$(shown Restart)" = on-failure ]
    [ "$(shown UnitFileState)" = enabled ]
    [ "$(systemctl is-enabled nginx)" = enabled ]
    none pgrep --uid root gunicorn
}

front_is_the_same() {
    [ "$(readlink /etc/nginx/sites-enabled/lingzhi)" = "$site" ]
    grep -Eq '^\s*listen 80 default_server;' "$site"
    grep -Eq '^\s*listen 443 ssl default_server;' "$site"
    grep -Eq '^\s*ssl_certificate /etc/lingzhi/tls/cert.pem;' "$site"
    grep -Eq '^\s*ssl_protocols TLSv1.2 TLSv1.3;' "$site"
    grep -Eq '^\s*proxy_set_header Host ' "$site"
    grep -Eq '^\s*proxy_set_header X-Forwarded-For ' "$site"
    grep -Eq '^\s*proxy_pass http://(127\.0\.0\.1|localhost):8080;' "$site"
    none grep -E '^\s*(return|try_files|root) ' "$site"
    [ "$(ls /etc/nginx/sites-enabled)" = lingzhi ]
    none ls /etc/nginx/conf.d
}

# Doors that must stay shut, asked of the running app.
still_refuses() {
    local shown_certificate own_certificate
    [ "$(status_of https://127.0.0.1/api/admin/users)" = 401 ]
    [ "$(login admin wrong-password | grep -c token)" = 0 ]
    [ "$(status_of --header 'Authorization: Bearer a.b.c' https://127.0.0.1/api/admin/users)" = 401 ]
    shown_certificate=$(openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null |
        openssl x509 -noout -fingerprint -sha256)
    own_certificate=$(openssl x509 -in /etc/lingzhi/tls/cert.pem -noout -fingerprint -sha256)
    [ "$shown_certificate" = "$own_certificate" ]
}
