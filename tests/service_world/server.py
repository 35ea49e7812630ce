"""A server for the tests of services: Python's own http.server, with TLS when certificates are named.

Prints its port, then one line for every request: method, target, and what the test asks about. Arguments:
the folder of certificates or "-", and whether clients need a certificate of their own ("mtls").
"""
import base64, http.server, json, ssl, sys

PEOPLE = {"C1001": {"name": "Ana Ruiz", "balance": 1204.5, "currency": "EUR"}, "C 2/3": {"name": "No"}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, value=None, headers=()):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        seen = {"method": self.command, "target": self.path, "body": body,
                "headers": [[name.lower(), text] for name, text in self.headers.items()]}
        print(json.dumps(seen), flush=True)
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["v2", "people"] and len(parts) == 4 and parts[3] == "balance":
            person = PEOPLE.get(parts[2])
            return self.reply(200, {"data": person, "internal": "not for flows"}) if person else self.reply(404)
        if parts == ["v2", "search"]:
            query = self.path.partition("?")[2]
            hits = [{"id": "C1001"}] if query == "phone=%2B441234" else []
            return self.reply(200, {"people": hits * (2 if query == "phone=2" else 1)})
        if parts == ["v2", "auth"]:
            given = self.headers.get("Authorization", "")
            known = {"Bearer t0ken", "Basic " + base64.b64encode(b"user:pass").decode()}
            allowed = given in known or self.headers.get("X-Api-Key") == "k3y"
            return self.reply(200, {}) if allowed else self.reply(401)
        if parts == ["v2", "charges"]:
            card = json.loads(body)["card"]["number"]
            return self.reply(402, {}) if card.endswith("2") else self.reply(201, {"receipt": "R-1"})
        if parts == ["v2", "away"]:
            return self.reply(302, None, [("Location", "http://127.0.0.1:9/elsewhere")])
        if parts == ["v2", "status"]:
            return self.reply(int(self.path.partition("?")[2].partition("=")[2]), {})
        self.reply(200, {})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if sys.argv[1] != "-":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1] + "/server.pem", sys.argv[1] + "/server.key")
    if "mtls" in sys.argv[2:]:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[1] + "/ca.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
