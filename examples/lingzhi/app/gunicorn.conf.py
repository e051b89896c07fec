"""How gunicorn serves lingzhi: two workers on one local address, logs in one folder."""

import os

_log_dir = os.environ.get("LINGZHI_LOG_DIR", "/var/log/lingzhi")

bind = os.environ.get("LINGZHI_BIND", "127.0.0.1:8080")
workers = 2
timeout = 120
accesslog = f"{_log_dir}/access.log"
errorlog = f"{_log_dir}/error.log"
control_socket_disable = True
