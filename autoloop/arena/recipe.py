"""What a host is made of: Debian's packages, and the steps that install the managed app.

A change of anything here makes a new layer, because layers are named after their recipe.
"""

from typing import Literal

Profile = Literal["sqlite", "postgres", "mysql"]

SUITE = "bookworm"
PYTHON = "3.11"

PACKAGES = [
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "procps",
    "ca-certificates",
    "python3",
    "python3-venv",
    "nginx-light",
    "sqlite3",
    "curl",
    "openssl",
    "logrotate",
    "cron",
    "git",
    "nftables",
]

# The password of the database's role or account `lingzhi`, on throw-away hosts only.
POSTGRES_PASSWORD = "throwaway-role-5e0c91d7a2"
POSTGRES_URL = f"postgresql+psycopg://lingzhi:{POSTGRES_PASSWORD}@127.0.0.1:5432/lingzhi"

MYSQL_URL = f"mysql+pymysql://lingzhi:{POSTGRES_PASSWORD}@127.0.0.1:3306/lingzhi"

MASKED = [
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dpkg-db-backup.timer",
    "getty@tty1.service",
    "console-getty.service",
]

DEBOOTSTRAP = [
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    f"--include={','.join(PACKAGES)}",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    SUITE,
]

# Run in the new root. Each host makes its own machine id and gets its own SSH keys.
DEBIAN_STEPS = f"""
for unit in {" ".join(MASKED)}; do systemctl --quiet mask "$unit"; done
systemctl --quiet enable systemd-networkd.service nginx.service ssh.service cron.service
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
echo LANG=C.UTF-8 >/etc/default/locale
mkdir -p /var/log/journal /root/.ssh
chmod 700 /root/.ssh
apt-get clean
"""

# Run in a root with Debian: the server's package, and nothing is started.
SERVER_STEPS = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends {package}
rm /usr/sbin/policy-rc.d
rm -rf /var/lib/apt/lists/*
apt-get clean
"""
# PostgreSQL has Debian's cluster `main`; what speaks MySQL is Debian's MariaDB.
SERVERS: dict[Profile, str] = {
    "postgres": SERVER_STEPS.format(package="postgresql-15"),
    "mysql": SERVER_STEPS.format(package="mariadb-server"),
}

# Run in the root with the app's source in /srv/lingzhi/app and its wheels mounted on /mnt. The
# wheels stay on the host, which reaches no index.
APP_STEPS = """
useradd --system --home-dir /srv/lingzhi --shell /usr/sbin/nologin lingzhi

cd /srv/lingzhi
mkdir -p data
install -d -m 755 /var/cache/lingzhi/wheels
install -m 644 /mnt/*.whl /var/cache/lingzhi/wheels
/usr/bin/python3 -m venv venv
ln -sf /usr/bin/python3 venv/bin/python
venv/bin/python -m pip install --quiet --no-index --find-links /var/cache/lingzhi/wheels \
    -r app/requirements.txt
venv/bin/python -m compileall -q app
chown -R lingzhi:lingzhi app venv data
chmod 750 data

chown root:lingzhi /etc/lingzhi /etc/lingzhi/lingzhi.env
chmod 640 /etc/lingzhi/lingzhi.env
mkdir -p /etc/lingzhi/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=lingzhi.test \
    -addext subjectAltName=DNS:lingzhi.test,DNS:localhost,IP:127.0.0.1 \
    -keyout /etc/lingzhi/tls/key.pem -out /etc/lingzhi/tls/cert.pem 2>/dev/null
chmod 600 /etc/lingzhi/tls/key.pem

install -d -o lingzhi -g adm -m 750 /var/log/lingzhi
rm -f /etc/nginx/sites-enabled/default
ln -s /etc/nginx/sites-available/lingzhi /etc/nginx/sites-enabled/lingzhi
nginx -t -q
rm -f /run/nginx.pid
systemctl --quiet enable lingzhi.service
"""

FILL = """
set -a; . /etc/lingzhi/lingzhi.env; set +a
cd /srv/lingzhi/app
runuser -u lingzhi -- ../venv/bin/alembic -q upgrade head
runuser -u lingzhi -- ../venv/bin/python seed.py
"""

# How each profile gets its database, after the steps above.
DATABASE_STEPS: dict[Profile, str] = {
    "sqlite": f"""
{FILL}
chmod 640 "${{DATABASE_URL#sqlite:///}}"
""",
    "postgres": f"""
chmod 755 /usr/local/sbin/lingzhi-role
/srv/lingzhi/venv/bin/python -m pip install --quiet --no-index \
    --find-links /var/cache/lingzhi/wheels -r /srv/lingzhi/app/requirements-postgres.txt
chown -R lingzhi:lingzhi /srv/lingzhi/venv
sed -i 's|^DATABASE_URL=.*|DATABASE_URL={POSTGRES_URL}|' /etc/lingzhi/lingzhi.env
runuser -u postgres -- pg_ctlcluster 15 main start
/usr/local/sbin/lingzhi-role apply
{FILL}
runuser -u postgres -- pg_ctlcluster 15 main stop
""",
    "mysql": f"""
/srv/lingzhi/venv/bin/python -m pip install --quiet --no-index \
    --find-links /var/cache/lingzhi/wheels -r /srv/lingzhi/app/requirements-mysql.txt
chown -R lingzhi:lingzhi /srv/lingzhi/venv
sed -i 's|^DATABASE_URL=.*|DATABASE_URL={MYSQL_URL}|' /etc/lingzhi/lingzhi.env
install -d -o mysql -g mysql /run/mysqld
mariadbd --user=mysql &
server=$!
timeout 60 sh -c 'until mariadb-admin --silent ping; do sleep 0.2; done'
mariadb <<'END'
create database lingzhi;
create user lingzhi@'%' identified by '{POSTGRES_PASSWORD}';
grant all on lingzhi.* to lingzhi@'%';
END
{FILL}
mariadb-admin shutdown
wait $server
""",
}
