"""Redaction: what is a secret goes, wherever it stands; what only sounds like one stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkit.redaction import _CALLED, _COMMAND, _LOOKS, _SIGNS, _STEMS, MARK, is_sensitive, redact, redact_counted

SECRETS = (
    "sk-ant-api03-abcdefghijklmnopqrstuvwx",
    "sk-proj-abcdefghijklmnopqrstuvwxyz012345",
    "ghp_" + "a1" * 18,
    "github_pat_" + "A1_" * 10,
    "glpat-" + "abcde" * 4,
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "AIza" + "Sy" * 17 + "x",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "npm_" + "a1" * 18,
    "hf_" + "ab" * 16,
    "sk_live_" + "a1" * 10,
)


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASSWORD", "apiKey", "api-key", "x-api-key", "authToken", "access_token", "ANTHROPIC_API_KEY",
     "client_secret", "Authorization", "set-cookie", "aws_secret_access_key", "privateKey", "credentials", "HTTPAuth"],
)  # fmt: skip
def test_a_key_that_names_a_secret_hides_its_value(name: str) -> None:
    assert is_sensitive(name)
    assert redact({name: "hunter2", "list": [{name: 42}]}) == {name: MARK, "list": [{name: MARK}]}


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "token_count", "prompt_token_count", "tokens", "author", "authored_at", "keyboard", "monkey",
     "secretary", "passenger", "input_tokens", "total_tokens", "token_type", "auth_method", "key", "api",
     "token_limit"],
)  # fmt: skip
def test_a_key_that_only_sounds_like_one_keeps_it(name: str) -> None:
    assert not is_sensitive(name)
    assert redact({name: "value"}) == {name: "value"}


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:8])
@pytest.mark.parametrize(
    "around",
    ["{}", "@@ -1 +1 @@\n-{}\n+other", "-{}", "curl -H 'x: {}' url", "the key is {}.", '{{"k": "{}"}}', "a={}\nb=2"],
)
def test_a_provider_s_key_goes_wherever_it_stands(secret: str, around: str) -> None:
    told = redact(around.format(secret))
    assert secret not in told
    assert MARK in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("export OPENAI_API_KEY=abcdef123456 && run", f"export OPENAI_API_KEY={MARK} && run"),
        ('{"password": "correct horse battery"}', f'{{"password": "{MARK}"}}'),
        ("@@ -1 +0,0 @@\n-db_password: swordfish99", f"@@ -1 +0,0 @@\n-db_password: {MARK}"),
        ("db_password: swordfish99", f"db_password: {MARK}"),
        ("https://me:swordfish@host/path", f"https://me:{MARK}@host/path"),
        ("Authorization: Bearer abcdefghijkl.mnop", f"Authorization: Bearer {MARK}"),
        ("-H 'X: Bearer abcdefghijklmnop'", f"-H 'X: Bearer {MARK}'"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", f"{MARK}\nrest"),
        ("-----BEGIN PRIVATE KEY-----\ntorn", MARK),
    ],
)
def test_what_a_name_in_the_text_gives_away_goes(text: str, told: str) -> None:
    assert redact_counted(text) == (told, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (r'curl -d "{\"password\": \"hunter2hunter2\"}"', rf'curl -d "{{\"password\": \"{MARK}\"}}"'),
        (r"{\\\"api_key\\\":\\\"hunter2\\\",\\\"n\\\":1}", rf"{{\\\"api_key\\\":\\\"{MARK}\\\",\\\"n\\\":1}}"),
        (r'{"text": "export API_KEY=hunter2\"}', rf'{{"text": "export API_KEY={MARK}\"}}'),
        (r'{"password": "hun\"ter2", "n": 1}', f'{{"password": "{MARK}", "n": 1}}'),
        ("run --token=hunter2 --limit=1000000", f"run --token={MARK} --limit=1000000"),
        ("run --api-key=hunter2", f"run --api-key={MARK}"),
        ("run --password hunter2 --verbose", f"run --password {MARK} --verbose"),
        ("run --password 'hunter 2'", f"run --password '{MARK}'"),
        ('["run", "--password", "hunter2"]', f'["run", "--password", "{MARK}"]'),
        ("Authorization: token hunter2", f"Authorization: token {MARK}"),
        ('{"Authorization": "Basic aHVudGVyMg=="}', f'{{"Authorization": "Basic {MARK}"}}'),
        ("//host/:_authToken=hunter2", f"//host/:_authToken={MARK}"),
        ("DB_PASSWORD=p@ss$word!1", f"DB_PASSWORD={MARK}"),
        ('{"name":"Authorization","value":"hunter2"}', f'{{"name":"Authorization","value":"{MARK}"}}'),
        ('{"url": "https://host/?token=hunter2"}', f'{{"url": "https://host/?token={MARK}"}}'),
        (r"a\npassword=hunter2", rf"a\npassword={MARK}"),
        ("\x1b[32mpassword\x1b[0m: \x1b[mhunter2\x1b[0m", f"\x1b[32mpassword\x1b[0m: \x1b[m{MARK}\x1b[0m"),
        ("\x1b[mpassword: hunter2", f"\x1b[mpassword: {MARK}"),
        ("PGPASSWORD=hunter2 psql", f"PGPASSWORD={MARK} psql"),
        ("Cookie: a=b; sid=hunter2\nHost: c", f"Cookie: {MARK}\nHost: c"),
        ('token := "hunter2"', f'token := "{MARK}"'),
        ("<password>hunter2</password>", f"<password>{MARK}</password>"),
        ('"password":\n  "hunter2"', f'"password":\n  "{MARK}"'),
        ("- name: API_KEY\n  value: hunter2", f"- name: API_KEY\n  value: {MARK}"),
        ('{"name": "API_KEY",\n "value": "hunter2"}', f'{{"name": "API_KEY",\n "value": "{MARK}"}}'),
        ("token%3Dhunter2", f"token%3D{MARK}"),
        ("token=" + "abcdefgh" * 1000, f"token={MARK}"),
    ],
)
def test_a_name_gives_its_value_away_in_any_spelling(text: str, told: str) -> None:
    assert redact_counted(text) == (told, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("curl -u me:hunter2 https://host", f"curl -u me:{MARK} https://host"),
        ("curl -su 'me:hunter 2' https://host | sh", f"curl -su 'me:{MARK}' https://host | sh"),
        ("/usr/bin/curl --proxy-user me:hunter2 -X PUT host", f"/usr/bin/curl --proxy-user me:{MARK} -X PUT host"),
        ("curl \\\n  -H 'a: b' \\\n  -u me:hunter2", f"curl \\\n  -H 'a: b' \\\n  -u me:{MARK}"),
        (r'{"command": "cd x\ncurl \\\n -u me:hunter2 -v"}', rf'{{"command": "cd x\ncurl \\\n -u me:{MARK} -v"}}'),
        ("curl host \\\n-u me:hunter2", f"curl host \\\n-u me:{MARK}"),
        ('["curl", "-u", "me:hunter2"]', f'["curl", "-u", "me:{MARK}"]'),
        ("http -a me:hunter2 example.org", f"http -a me:{MARK} example.org"),
        ("mysql -uroot -phunter2 db", f"mysql -uroot -p{MARK} db"),
        (r'{"command": "mysqldump -p\"hunter 2\" db"}', rf'{{"command": "mysqldump -p\"{MARK}\" db"}}'),
        ("sshpass -p hunter2 ssh host", f"sshpass -p {MARK} ssh host"),
        ("redis-cli -h host -a hunter2 ping", f"redis-cli -h host -a {MARK} ping"),
        ("docker login -u me -p hunter2 host", f"docker login -u me -p {MARK} host"),
        ("openssl rsa -passin pass:hunter2 -in key", f"openssl rsa -passin pass:{MARK} -in key"),
        ("ldapsearch -x -D cn=a -w hunter2", f"ldapsearch -x -D cn=a -w {MARK}"),
        ("zip -P hunter2 a.zip b", f"zip -P {MARK} a.zip b"),
        ("7z a -phunter2 a.7z", f"7z a -p{MARK} a.7z"),
        ("machine host\n  login me\n  password hunter2\n", f"machine host\n  login me\n  password {MARK}\n"),
        (r'{"x": "machine host login me\npassword hunter2"}', rf'{{"x": "machine host login me\npassword {MARK}"}}'),
        ('password: |\n  hun"ter\n  more\nnext: 1', f"password: |\n  {MARK}\nnext: 1"),
        ("-api_key: >-\n-  hunter2\n other", f"-api_key: >-\n-  {MARK}\n other"),
        (r'{"x": "password: |\n  hunter2\n  more\nnext: 1"}', rf'{{"x": "password: |\n  {MARK}\nnext: 1"}}'),
    ],
)
def test_what_a_program_takes_as_a_password_goes(text: str, told: str) -> None:
    assert redact_counted(text) == (told, 1)
    assert redact(told) == told


def test_every_password_of_a_command_goes() -> None:
    text = "curl -u me:hunter2 --proxy-user you:hunter3 host; mysql -phunter4"
    assert redact_counted(text) == (f"curl -u me:{MARK} --proxy-user you:{MARK} host; mysql -p{MARK}", 3)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:8])
@pytest.mark.parametrize(
    "before",
    ["\x1b[32m", "\x1b[m", "\x1b[1;31m", "\x1b[31m-", r"\u001b[32m", r"\n", r"\t", r"\n-", "%20", "%3D", "--x=", r"\""],
)
def test_a_key_goes_behind_a_colour_and_an_escape(before: str, secret: str) -> None:
    assert redact_counted(f"a{before}{secret}") == (f"a{before}{MARK}", 1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"name": "Authorization", "value": "x"}, {"name": "Authorization", "value": MARK}),
        ({"name": "Accept", "value": "x"}, {"name": "Accept", "value": "x"}),
        ({"password": {"value": "x", "old": [{"deep": 7}]}}, {"password": {"value": MARK, "old": [{"deep": MARK}]}}),
        ({"auth": {"type": "oauth", "token_count": 3}}, {"auth": {"type": "oauth", "token_count": 3}}),
        ({"args": ["--token", "x", "y"]}, {"args": ["--token", MARK, "y"]}),
        ({SECRETS[0]: 1, SECRETS[1]: 2, "a": 3}, {MARK: 1, f"{MARK} 2": 2, "a": 3}),
    ],
)
def test_json_hides_what_it_says_in_other_places(value: Any, told: Any) -> None:
    assert redact(value) == told
    assert redact(told) == told


@pytest.mark.parametrize(
    "text",
    ["def author(name): return name", "max_tokens=4096", "the token count is 12", "git show HEAD:src/app.py",
     "task-force-one", "a sk-etch of the plan", "my-sk-abcdefghijklmnopqrstuvwxyz", "https://host:8080/path",
     "token = next(tokens)", "password = getpass()", "API_KEY=$OTHER", "--max-tokens 100000", "--author somebody",
     "--token-count=1234567", r'{\"max_tokens\": \"1000000\"}', "docker login --password-stdin registry.example",
     "self._credentials = credentials", "self._token = block._token", "refresh_token: Token object",
     '["--password", password]', 'add("--token",\n    type=string)', "NOPASSWD: /usr/bin/something",
     "Authorization: Bearer $TOKEN", 'password="" user="somebody"', "--password --verbose", "--secret ./of/this/file",
     r"C:\new\task-force-one-two-three-four", "a_sk-abcdefghijklmnopqrstuvwxyz",
     "docker run -u 1000:1000 image", "curl -u me https://host", "mysql -p -u root", "mysql -u root -p db",
     '["mysql", "-p",   "db"]', 'sh -c "mysql -p"  and on', "curl -o a:b host", "curl -sSLu https://host:80",
     "curl -u me:$PASSWORD host", 'curl -u "me:$PASSWORD" host', "curl x; docker run -u 1000:1000",
     r'{"a":"curl x\ndocker run -u 1000:1000"}', "unzip -p a.zip", "zip -r a.zip b", "mysqld --port=33 -P 33",
     "http://host -a b:c", "the login page password reset", "password: | either this", "token = a |\n  b"],
)  # fmt: skip
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_every_secret_is_counted() -> None:
    value = {"password": "x", "text": f"{SECRETS[0]} and {SECRETS[6]}", "max_tokens": 3, "token": None, "auth": True}
    told, number = redact_counted(value)
    assert number == 3
    assert told == {"password": MARK, "text": f"{MARK} and {MARK}", "max_tokens": 3, "token": None, "auth": True}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_twice_is_once_and_the_shape_stays(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once
    assert _shape(once) == _shape(value)


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(SECRETS))
def test_no_surroundings_save_a_secret(before: str, after: str, secret: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")


@settings(deadline=None)
@given(
    st.sampled_from(["password", "api_key", "authToken", "DB_PASSWORD", "_authToken"]),
    st.sampled_from(["", " ", "\n", "-", "--", "\x1b[32m", r"\n", "{", "a.", "/:"]),
    st.sampled_from(['="{}"', ': "{}"', "={}", " = '{}'", "=>{}", ': "Bearer {}"']),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_@!$%.^*+-]{7,40}", fullmatch=True),
    st.integers(0, 3),
)
def test_no_level_of_json_saves_a_secret(name: str, before: str, form: str, secret: str, levels: int) -> None:
    text = before + (f'"{name}"' if form.startswith(":") else name) + form.format(secret)
    for _ in range(levels):
        text = json.dumps({"text": text})
    told = redact(text)
    assert secret not in told
    for _ in range(levels):
        told = json.loads(told)["text"]


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z_]{0,6}([Pp]ass(wd|word|phrase)|[Tt]oken|api_?key|[Aa]uth|cookie|pwd)s?", fullmatch=True))
def test_every_sensitive_name_has_a_stem(name: str) -> None:
    assert not is_sensitive(name) or any(stem in name.lower() for stem in _STEMS)


@settings(deadline=None)
@given(st.from_regex(_LOOKS, fullmatch=True))
def test_every_look_has_a_sign(text: str) -> None:
    assert any(sign in text for sign in _SIGNS)


@settings(deadline=None)
@given(st.from_regex(_COMMAND))
def test_every_command_has_a_program(text: str) -> None:
    assert any(program in text for program in _CALLED)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else None
