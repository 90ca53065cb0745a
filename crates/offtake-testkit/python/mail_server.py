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
import datetime
import ipaddress
import json
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


def certificate(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def built(subject, issuer, key, signer, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signer, hashes.SHA256())

    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = built("authority", "authority", authority, authority, [x509.BasicConstraints(ca=True, path_length=None)])
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = built("mail", "authority", key, authority, [own, x509.BasicConstraints(ca=False, path_length=None)])
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if not (folder / "ca.pem").exists():
        (folder / "server.pem").write_bytes(pem(leaf) + private)
        (folder / "ca.pem").write_bytes(pem(root))
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
    context = certificate(given.folder) if given.tls else None

    def authenticate(server, session, envelope, mechanism, data):
        script = given.folder / "script.json"
        if script.exists() and "auth" in json.loads(script.read_text()):
            return AuthResult(success=False, handled=False)
        user, password = given.login.encode().split(b":")
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
