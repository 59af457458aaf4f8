"""nginx as `launch` starts it: in the foreground, with every file in the directory of the launched server."""

from __future__ import annotations

from support.requirements import require_program

__all__ = ["nginx_command", "nginx_config"]

_AROUND = """
daemon off; pid {dir}/pid; error_log stderr; worker_processes WORKERS;
events {}
http {
    access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
    fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
HTTP
}
"""


def nginx_config(http: str, *, workers: int = 1) -> str:
    """A configuration for ``files={"nginx.conf": ...}``.

    Args:
        http: what stands in its block ``http``: the servers, and what holds for all of them.
        workers: how many processes serve.
    """
    return _AROUND.replace("WORKERS", str(workers)).replace("HTTP", http.strip("\n"))


def nginx_command() -> list[str]:
    """The command that serves by that configuration; skips the test where there is no nginx."""
    return [str(require_program("nginx", apt="nginx")), "-c", "{dir}/nginx.conf", "-e", "stderr"]
