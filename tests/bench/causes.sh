# What the scripts of causes.toml have at hand on a host; for bench_causes.py.

code=/srv/lingzhi/app
unit=/etc/systemd/system/lingzhi.service
site=/etc/nginx/sites-available/lingzhi
env_file=/etc/lingzhi/lingzhi.env
database=/srv/lingzhi/data/lingzhi_ecosystem.db
cluster=/etc/postgresql/15/main
certificate=/etc/lingzhi/tls/cert.pem

sql() { runuser -u postgres -- psql --quiet --no-psqlrc --output=/dev/null --command="$1"; }
cut_off() {
    sql "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'lingzhi'"
}

# The same in MariaDB, as its superuser.
mysql_sql() { mariadb --batch --skip-column-names --execute="$1"; }
mysql_end() {
    mysql_sql "select concat('kill ', id, ';') from information_schema.processlist
        where id <> connection_id() and $1" | mariadb --force 2>/dev/null || true
}
mysql_cut_off() { mysql_end "user = 'lingzhi'"; }
mysql_let_go() {
    systemctl stop holder
    mysql_end "info like '%sleep(600)%'"
}

# Whatever begins from now on sees a clock that is so many seconds off; see wrong_clock.c.
set_clock() {
    echo "$1" >/etc/wrong_clock
    echo /usr/local/lib/wrong_clock.so >/etc/ld.so.preload
    systemctl restart lingzhi nginx
}
right_clock() {
    rm /etc/ld.so.preload
    systemctl restart lingzhi nginx
}

# The front shows a certificate that was good for 90 days, until the date that is given.
certificate_until() {
    local folder=/root/ca
    cp -p $certificate /root/cert.was
    mkdir $folder
    : >$folder/index
    echo 01 >$folder/serial
    printf '%s\n' '[own]' database=$folder/index serial=$folder/serial new_certs_dir=$folder \
        policy=any '[any]' commonName=supplied >$folder/ca.cnf
    openssl req -new -key ${certificate%/*}/key.pem -subj /CN=lingzhi.test -out $folder/asked.pem
    openssl ca -batch -config $folder/ca.cnf -name own -md sha256 -selfsign \
        -keyfile ${certificate%/*}/key.pem -in $folder/asked.pem -notext -out $folder/new.pem \
        -startdate "$(date -u -d "$1 - 90 days" +%Y%m%d%H%M%SZ)" \
        -enddate "$(date -u -d "$1" +%Y%m%d%H%M%SZ)" 2>/dev/null
    cat $folder/new.pem >$certificate
    rm -r $folder
    systemctl reload nginx
}
old_certificate() {
    cat /root/cert.was >$certificate
    systemctl reload nginx
}

# The data is on a subvolume of a btrfs of its own, with a limit (12 MB when none is given).
data_with_quota() {
    local n
    for n in 0 1 2 3 4 5 6 7; do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done
    [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    truncate -s 200M /root/btrfs
    mkfs.btrfs -q /root/btrfs
    mkdir -p /root/pool
    mount -o loop /root/btrfs /root/pool
    # A container's /sys has no such folder; the agent is to find it where it is on any host.
    mkdir -p /root/sysfs
    mount -t sysfs sysfs /root/sysfs
    mount -o remount,rw /sys
    mkdir -p /sys/fs/btrfs
    mount --bind /root/sysfs/fs/btrfs /sys/fs/btrfs
    btrfs -q quota enable /root/pool
    btrfs -q subvolume create /root/pool/data
    btrfs -q qgroup limit "${1:-12M}" /root/pool/data
    systemctl stop lingzhi
    cp -a /srv/lingzhi/data/. /root/pool/data/
    chown lingzhi:lingzhi /root/pool/data
    chmod 750 /root/pool/data
    mount --bind /root/pool/data /srv/lingzhi/data
    systemctl start lingzhi
}
data_without_quota() {
    systemctl stop lingzhi
    umount /srv/lingzhi/data
    umount /sys/fs/btrfs
    umount /root/sysfs
    umount /root/pool
    rm /root/btrfs
    systemctl reset-failed lingzhi
    systemctl start lingzhi
}
cd /
