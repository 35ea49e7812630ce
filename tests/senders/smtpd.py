"""A mail server, of aiosmtpd: STARTTLS on one port, TLS from the start on another, a password, one mailbox."""
import json
import socket
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

folder, password = sys.argv[1], sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")


class Box(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address != "amelia@customer.example":
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"


def judge(server, session, envelope, mechanism, data):
    right = data.login == b"ivr" and data.password == password.encode()
    return AuthResult(success=right, handled=right)


def serve(**more):
    class Of(Controller):
        def factory(self):
            return SMTP(self.handler, authenticator=judge, auth_required=True, hostname="localhost", **more)

    return Of


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


ports = [free(), free()]
starttls = serve(tls_context=context, require_starttls=True)(
    Box(folder + "/box"), hostname="127.0.0.1", port=ports[0]
)
implicit = serve(auth_require_tls=False)(
    Box(folder + "/box"), hostname="127.0.0.1", port=ports[1], ssl_context=context
)
for controller in (starttls, implicit):
    controller.start()
print(json.dumps({"ports": ports}), flush=True)
sys.stdin.read()
