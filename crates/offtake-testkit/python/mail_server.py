"""An SMTP server (aiosmtpd) that answers as a script says and keeps what it took.

usage: mail_server.py PORT FOLDER [--tls starttls|implicit] [--login USER:PASSWORD] [--offer-login-only]
Port 0 takes a free one. Prints the port. With TLS it makes an authority and a certificate for 127.0.0.1; FOLDER/ca.pem is the
authority. FOLDER/script.json says what is done, looked at anew at each step:
  {"mail": "451 later", "rcpt": "550 nobody", "content": "554 no", "auth": "535 wrong"}   answers instead of 250
  {"slow": {"rcpt": 5}}                                                                    seconds before the answer
  {"drop": "mail"}                                                                         the connection ends there
What was taken lies in FOLDER as N.eml with N.json (the envelope), also when the answer to it was scripted or never came.
"""

import argparse
import asyncio
import json
import pathlib
import ssl

import certificates
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


def context_of(folder):
    certificates.make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


class Scripted:
    def __init__(self, folder):
        self.folder = folder

    async def at(self, step, server):
        """What is answered at this step instead; `None`: nothing is scripted."""
        path = self.folder / "script.json"
        script = json.loads(path.read_text()) if path.exists() else {}
        await asyncio.sleep(script.get("slow", {}).get(step, 0))
        if script.get("drop") == step:
            server.transport.abort()
            await asyncio.sleep(3600)
        return script.get(step)

    async def handle_MAIL(self, server, session: Session, envelope: Envelope, address, options):
        if answer := await self.at("mail", server):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session: Session, envelope: Envelope, address, options):
        if answer := await self.at("rcpt", server):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session: Session, envelope: Envelope):
        number = len(list(self.folder.glob("*.eml"))) + 1
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or server._tls_protocol is not None or server.is_implicit,
            "login": session.auth_data,
            "ehlo": session.host_name,
        }
        (self.folder / f"{number}.json").write_text(json.dumps(told))
        (self.folder / f"{number}.part").write_bytes(envelope.original_content)
        (self.folder / f"{number}.part").rename(self.folder / f"{number}.eml")
        return await self.at("content", server) or "250 2.0.0 taken"


class Server(SMTP):
    is_implicit = False


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--tls", choices=["starttls", "implicit"])
    arguments.add_argument("--login")
    arguments.add_argument("--offer-login-only", action="store_true")
    given = arguments.parse_args()
    handler = Scripted(given.folder)
    context = context_of(given.folder) if given.tls else None

    def authenticate(server, session, envelope, mechanism, data):
        script = given.folder / "script.json"
        if script.exists() and "auth" in json.loads(script.read_text()):
            return AuthResult(success=False, handled=False)
        user, password = given.login.encode().split(b":", 1)
        good = data.login == user and data.password == password
        return AuthResult(success=good, auth_data=user.decode() if good else None)

    def server():
        Server.is_implicit = given.tls == "implicit"
        return Server(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=context if given.tls == "starttls" else None,
            require_starttls=given.tls == "starttls",
            auth_required=given.login is not None,
            auth_require_tls=given.tls == "starttls",
            authenticator=authenticate if given.login else None,
            auth_exclude_mechanism=["PLAIN"] if given.offer_login_only else [],
            loop=asyncio.get_running_loop(),
        )

    wrapped = context if given.tls == "implicit" else None
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", given.port, ssl=wrapped)
    print("port", listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


asyncio.run(main())
