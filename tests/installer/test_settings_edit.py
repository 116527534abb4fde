from __future__ import annotations

import json

import pytest

from hookkit.installer import settings_edit
from hookkit.installer.jsonedit import apply
from hookkit.installer.jsontext import parse
from hookkit.installer.settings_edit import Ours, ShapeError, with_hooks, without_hooks

ENTRY = "hookkit_claude_code.py"
COMMAND = f"/usr/bin/python3 -I -S /h/{ENTRY} >/dev/null 2>&1 || :"
HANDLER = {"type": "command", "command": COMMAND, "timeout": 10}
OURS = Ours(ENTRY, {"PreToolUse": HANDLER, "Stop": HANDLER})
GROUP = {"hooks": [HANDLER]}


def installed(text: str) -> dict[str, object]:
    edit = with_hooks(text, OURS)
    assert apply(edit.text, edit.undo) == without_hooks(text, OURS)
    assert not with_hooks(edit.text, OURS).changed
    data = json.loads(edit.text)
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    "text", ["", "\n", "{}", "{ }\n", "{\n}", '{"hooks": {}}', '{"hooks": {"Stop": []}}', '{"model": "x"}']
)
def test_each_event_gets_one_group_of_its_own_and_the_edit_can_be_undone(text: str) -> None:
    assert installed(text)["hooks"] == {"PreToolUse": [GROUP], "Stop": [GROUP]}


def test_our_group_comes_last_and_the_others_keep_their_place() -> None:
    theirs = {"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}]}
    data = installed(json.dumps({"hooks": {"Notification": [theirs], "PreToolUse": [theirs]}, "z": 1}))
    assert data == {"hooks": {"Notification": [theirs], "PreToolUse": [theirs, GROUP], "Stop": [GROUP]}, "z": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{\n\t"hooks": {\n\t\t"Stop": [\n\t\t\t{"hooks": []}\n\t\t]\n\t}\n}\n',
            '\n\t\t\t{"hooks": []},\n\t\t\t{\n\t\t\t\t"hooks": [\n\t\t\t\t\t{\n',
        ),
        ('{"a":1}', '{"a":1,"hooks":{"PreToolUse":[{"hooks":[{"type":"command",'),
        ('{ "a": 1 }', '{ "a": 1, "hooks": {"PreToolUse": [{"hooks": ['),
        ('{\r\n    "a": 1\r\n}', '"a": 1,\r\n    "hooks": {\r\n        "PreToolUse": [\r\n            {\r\n'),
        ('{\n "a": 1 // one\n // end\n}', '"a": 1, // one\n // end\n "hooks": {\n  "PreToolUse"'),
        ('{\n  "a": 1,\n}', '"a": 1,\n  "hooks": {\n'),
        ('\ufeff{\n  "a": 1\n}', '\ufeff{\n  "a": 1,\n  "hooks": {\n'),
        (
            '{\n  "hooks": {\n    "Stop": [{\n      "hooks": []\n    }]\n  }\n}',
            '    }, {\n      "hooks": [\n        {\n',
        ),
    ],
)
def test_what_is_added_follows_the_layout_around_it(text: str, expected: str) -> None:
    edit = with_hooks(text, OURS)
    assert expected in edit.text
    assert apply(edit.text, edit.undo) == text


def test_everything_that_is_not_ours_is_kept_to_the_character() -> None:
    text = '{"n": [1e3, 1E400, -0.0, 1.10], "s": "caf\\u00e9 é", "k": 1, "k": 2, "hooks": {"Stop": [ ] }}'
    edit = with_hooks(text, OURS)
    assert edit.text.startswith(
        '{"n": [1e3, 1E400, -0.0, 1.10], "s": "caf\\u00e9 é", "k": 1, "k": 2, "hooks": {"Stop": ['
    )


def entry(command: str, **extra: object) -> dict[str, object]:
    return {"type": "command", "command": command, **extra}


@pytest.mark.parametrize(
    "hooks",
    [
        {"Stop": [{"hooks": [entry(f"python3 /old/{ENTRY}")]}]},
        {"Stop": [GROUP, GROUP], "PreToolUse": [GROUP]},
        {"Stop": [{"hooks": [HANDLER, HANDLER]}]},
        {"Stop": [{"matcher": "Bash", "hooks": [HANDLER]}], "PreToolUse": [GROUP]},
        {"Stop": [HANDLER]},
        {"SubagentStop": [GROUP], "PreToolUse": [GROUP], "Stop": [GROUP]},
        {"Stop": [{"hooks": [entry(f"python3 ~/.local/share/hookkit/hooks/{ENTRY} || :")]}]},
        {"Stop": [{"hooks": [entry(f'python3 "$HOME/hooks/{ENTRY}"')]}]},
        {"Stop": [{"hooks": [entry("python3", args=["-I", f"/h/{ENTRY}"])]}]},
        {"Stop": [{"hooks": [{**HANDLER, "timeout": 99}]}], "PreToolUse": [GROUP]},
        {"Stop": [{"hooks": [{**HANDLER, "async": True}]}], "PreToolUse": [GROUP]},
        {"Stop": [GROUP]},
    ],
)
def test_old_duplicate_moved_and_half_removed_entries_are_put_right(hooks: dict[str, object]) -> None:
    data = installed(json.dumps({"hooks": hooks}, indent=2))
    assert data == {"hooks": {"PreToolUse": [GROUP], "Stop": [GROUP]}}


def test_only_our_handler_leaves_a_group_that_others_use() -> None:
    theirs = entry("lint")
    hooks = {"Stop": [{"matcher": "*", "hooks": [theirs, entry(f"python3 /x/{ENTRY}"), theirs]}]}
    data = installed(json.dumps({"hooks": hooks}, indent=1))
    assert data == {"hooks": {"Stop": [{"matcher": "*", "hooks": [theirs, theirs]}, GROUP], "PreToolUse": [GROUP]}}


@pytest.mark.parametrize(
    "command",
    [
        "/me/hookkit_mine.sh",
        f"echo {ENTRY}",
        f"timeout 5 python3 /h/{ENTRY}",
        f"python3 /h/my_{ENTRY}",
        "hookkit",
        5,
        None,
    ],
)
def test_a_command_of_the_user_stays_through_install_and_remove(command: object) -> None:
    text = json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}})
    edit = with_hooks(text, OURS)
    assert json.loads(edit.text)["hooks"]["Stop"][0]["hooks"][0]["command"] == command
    assert without_hooks(edit.text, OURS, edit.created) == text
    assert without_hooks(text, OURS) == text


def test_of_duplicate_event_keys_ours_goes_where_claude_reads_it_and_is_cut_from_both() -> None:
    text = '{"hooks": {"Stop": [], "Stop": [{"matcher": "a", "hooks": []}]}, "hooks": {"PreToolUse": []}}'
    edit = with_hooks(text, OURS)
    assert json.loads(edit.text)["hooks"] == {"PreToolUse": [GROUP], "Stop": [GROUP]}
    stale = text.replace('"Stop": []', f'"Stop": [{json.dumps(GROUP)}]', 1)
    assert apply(with_hooks(stale, OURS).text, with_hooks(stale, OURS).undo).count(ENTRY) == 0


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("[]", "$", "an array"),
        ('"x"', "$", "a string"),
        ("null", "$", "null"),
        ("5", "$", "a number"),
        ('{"hooks": []}', "$.hooks", "an array"),
        ('{"hooks": null}', "$.hooks", "null"),
        ('{"hooks": "x"}', "$.hooks", "a string"),
        ('{"hooks": false}', "$.hooks", "false"),
        ('{"hooks": {"PreToolUse": null}}', "$.hooks.PreToolUse", "null"),
        ('{"hooks": {"PreToolUse": {}}}', "$.hooks.PreToolUse", "an object"),
        ('{"hooks": {"PreToolUse": "xy"}}', "$.hooks.PreToolUse", "a string"),
    ],
)
def test_a_shape_that_cannot_be_edited_safely_is_refused_with_its_place(text: str, path: str, found: str) -> None:
    with pytest.raises(ShapeError) as caught:
        with_hooks(text, OURS)
    assert (caught.value.path, caught.value.found) == (path, found)
    assert without_hooks(text, OURS) == text


def test_an_odd_shape_under_an_event_that_is_not_ours_is_none_of_our_business() -> None:
    data = installed('{"hooks": {"Notification": "?", "FutureEvent": 5}}')
    assert data["hooks"] == {"Notification": "?", "FutureEvent": 5, "PreToolUse": [GROUP], "Stop": [GROUP]}


def test_a_container_of_the_user_stays_when_it_is_empty_and_ours_goes() -> None:
    text = '{"hooks": {"Stop": []}}'
    edit = with_hooks(text, OURS)
    assert edit.created == {("hooks", "PreToolUse")}
    assert without_hooks(edit.text, OURS, edit.created) == text
    assert without_hooks(with_hooks("{}", OURS).text, OURS, with_hooks("{}", OURS).created) == "{}"


def test_without_knowledge_of_who_made_them_emptied_containers_go() -> None:
    text = '{\n  "model": "x"\n}\n'
    assert without_hooks(with_hooks(text, OURS).text, OURS) == text


def test_a_container_that_was_ours_and_that_others_use_now_stays() -> None:
    edit = with_hooks("{}", OURS)
    data = json.loads(edit.text)
    data["hooks"]["Stop"].append({"hooks": [entry("theirs")]})
    left = without_hooks(json.dumps(data), OURS, edit.created)
    assert json.loads(left) == {"hooks": {"Stop": [{"hooks": [entry("theirs")]}]}}


def test_comments_of_others_stay_on_their_lines_when_ours_is_cut() -> None:
    old = json.dumps({"hooks": [entry(f"python3 /old/{ENTRY}")]})
    lines = [
        "{",
        '  "hooks": {',
        '    "Stop": [',
        "      // before",
        f"      {old}, // beside ours",
        '      {"matcher": "x", "hooks": []} // beside theirs',
        "      // after",
        "    ],",
        '    "PreToolUse": [ // opener',
        f"      {old} // last",
        "    ]",
        "  }",
        "}",
    ]
    left = without_hooks("\n".join(lines), OURS, frozenset())
    assert left.split("\n") == [
        "{",
        '  "hooks": {',
        '    "Stop": [',
        "      // before",
        "      // beside ours",
        '      {"matcher": "x", "hooks": []} // beside theirs',
        "      // after",
        "    ],",
        '    "PreToolUse": [ // opener',
        "      // last",
        "    ]",
        "  }",
        "}",
    ]


@pytest.mark.parametrize(
    "others",
    [
        '["A", OURS, "B"]', "[OURS]", "[OURS, OURS]", '[OURS, "A"]', '["A", OURS]', '["A", /* c */ OURS]',
        '[OURS /* c */]', '["A",\n// x\nOURS,\n// y\n"B"]', '["A", // a\nOURS\n]', '[\nOURS, // o\n"A"]',
        '[// c\nOURS]', '[OURS, // c\n]', '["A", OURS,]', '[OURS,]', '[ OURS , OURS , "A" , OURS ]',
        '[/* a */ OURS /* b */ , /* c */ "A" /* d */]', '["A" // a\n, OURS // o\n]',
        '["A", OURS // o\n,// p\nOURS // q\n, "B"]', '["A", OURS // o\n,/* p */ OURS // q\n]',
        '["A" // a\n, OURS // o\n, "B"]', '["A"\n// a\n,\n// b\nOURS\n// c\n]',
    ],
)  # fmt: skip
def test_ours_is_cut_from_among_others_whatever_stands_between(others: str) -> None:
    group = json.dumps({"hooks": [entry(f"python3 /old/{ENTRY}")]})
    text = '{"hooks": {"Stop": ' + others.replace("OURS", group) + "}}"
    left = without_hooks(text, OURS, frozenset())
    before, after = parse(text), parse(left)
    assert [left[slice(*span)] for span in after.comments] == [text[slice(*span)] for span in before.comments]
    assert after.root is not None
    assert after.root.data() == {"hooks": {"Stop": [word for word in ("A", "B") if f'"{word}"' in others]}}


def test_entries_tell_where_ours_are() -> None:
    text = json.dumps({"hooks": {"Old": [GROUP], "Stop": [{"matcher": "", "hooks": [entry("x"), HANDLER]}, GROUP]}})
    found = settings_edit.entries(parse(text), OURS)
    assert [(e.event, e.path, e.exact) for e in found] == [
        ("Old", "$.hooks.Old[0].hooks[0]", False),
        ("Stop", "$.hooks.Stop[0].hooks[1]", False),
        ("Stop", "$.hooks.Stop[1].hooks[0]", True),
    ]
