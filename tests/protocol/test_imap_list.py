"""imapd: LIST, LSUB, NAMESPACE."""
import os
import re

import pytest


def listed(result, kind="LIST"):
    """{name: set of attributes}, and the rest as "name+"."""
    found = {}
    for _, rest in result.all(kind):
        m = re.fullmatch(rb'\(([^)]*)\) ("/"|NIL) ("(?:[^"\\]|\\.)*"|[^ ]*)'
                         rb"(?: (.*))?", rest)
        assert m, rest
        name = m.group(3).strip(b'"').decode()
        assert name not in found, f"{name} twice"
        found[name] = set(m.group(1).decode().split())
        if m.group(4):
            found[name + "+"] = m.group(4).decode()
    return found


def test_rfc3501_6_3_8_delimiter(imap):
    assert imap.ok('LIST "" ""').one("LIST")[1] == b'(\\Noselect) "/" ""'
    assert imap.ok('LIST "x/" ""').one("LIST")[1] == b'(\\Noselect) "/" ""'


def test_rfc3501_6_3_8_patterns(imap):
    for name in ("a", "a/b", "a/b/c", "ab", "INBOX/x"):
        imap.ok(f"CREATE {name}")

    def names(reference, pattern):
        return set(listed(imap.ok(f'LIST "{reference}" "{pattern}"')))

    assert names("", "*") == {"INBOX", "INBOX/x", "a", "a/b", "a/b/c", "ab"}
    assert names("", "%") == {"INBOX", "a", "ab"}
    assert names("", "a%") == {"a", "ab"}
    assert names("", "a/%") == {"a/b"}
    assert names("", "a/*") == {"a/b", "a/b/c"}
    assert names("a/", "%") == {"a/b"}
    assert names("", "%/%") == {"a/b", "INBOX/x"}
    assert names("", "*b") == {"a/b", "ab"}
    assert names("", "inbox") == {"INBOX"}
    assert names("", "inbox/%") == {"INBOX/x"}
    assert names("", "A") == set()
    assert names("", "a*c%*%*") == {"a/b/c"}
    assert names("", "x") == set()


def test_many_wildcards_cost_nothing(imap):
    imap.ok("CREATE " + "a" * 200)
    pattern = "%a*" * 300 + "b"
    assert imap.ok(f'LIST "" "{pattern}"').all("LIST") == []
    imap.ok('LIST "" "' + "*" * 5000 + '"')


def test_rfc3348_4_children(imap):
    imap.ok("CREATE a/b")
    imap.ok('CREATE "a c"')  # sorts between a and a/b
    found = listed(imap.ok('LIST "" *'))
    assert "\\HasChildren" in found["a"]
    for name in ("a/b", "a c", "INBOX"):
        assert "\\HasNoChildren" in found[name]
    imap.ok("CREATE INBOX/x")
    assert "\\HasChildren" in listed(imap.ok('LIST "" INBOX'))["INBOX"]


def test_rfc6154_5_1_special_use(imap):
    imap.ok("CREATE Sent (USE (\\Sent))")
    imap.ok("CREATE Bin (USE (\\Trash))")
    assert "\\Sent" in listed(imap.ok('LIST "" *'))["Sent"]
    found = listed(imap.ok('LIST (SPECIAL-USE) "" *'))
    assert set(found) == {"Sent", "Bin"}
    found = listed(imap.ok('LIST "" % RETURN (SPECIAL-USE)'))
    assert "\\Trash" in found["Bin"] and "INBOX" in found


def test_rfc2342_5_namespace(imap):
    assert imap.ok("NAMESPACE").one("NAMESPACE")[1] == b'(("" "/")) NIL NIL'


# --- LSUB -------------------------------------------------------------------
def test_rfc3501_6_3_9_lsub(imap):
    for name in ("a", "a/b", "c"):
        imap.ok(f"CREATE {name}")
    imap.ok("SUBSCRIBE a/b")
    imap.ok("SUBSCRIBE c")
    assert set(listed(imap.ok('LSUB "" *'), "LSUB")) == {"a/b", "c"}


def test_rfc3501_6_3_9_lsub_percent_shows_the_parent(imap):
    imap.ok("CREATE foo/bar")
    imap.ok("CREATE foo/baz")
    imap.ok("SUBSCRIBE foo/bar")
    imap.ok("SUBSCRIBE foo/baz")
    found = listed(imap.ok('LSUB "" %'), "LSUB")
    assert set(found) == {"foo"} and "\\Noselect" in found["foo"]
    imap.ok("SUBSCRIBE foo")
    found = listed(imap.ok('LSUB "" %'), "LSUB")
    assert set(found) == {"foo"} and "\\Noselect" not in found["foo"]


# --- LIST-EXTENDED ----------------------------------------------------------
@pytest.fixture
def fruit(imap):
    """The mailboxes of RFC 5258 5."""
    for name in ("Fruit/Apple", "Fruit/Banana", "Fruit/Peach", "Tofu",
                 "Vegetable/Broccoli", "Vegetable/Corn"):
        imap.ok(f"CREATE {name}")
    for name in ("INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable",
                 "Vegetable/Broccoli"):
        imap.ok(f"SUBSCRIBE {name}")
    imap.ok("DELETE Fruit/Peach")
    return imap


def test_rfc5258_3_1_subscribed_selection(fruit):
    found = listed(fruit.ok('LIST (SUBSCRIBED) "" "*"'))
    assert set(found) == {"INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable",
                          "Vegetable/Broccoli"}
    assert all("\\Subscribed" in found[n] for n in found)
    assert "\\NonExistent" in found["Fruit/Peach"]
    assert "\\NonExistent" not in found["Fruit/Banana"]


def test_rfc5258_3_2_subscribed_return(fruit):
    found = listed(fruit.ok('LIST "" "*" RETURN (SUBSCRIBED)'))
    assert "Fruit/Peach" not in found
    assert "\\Subscribed" in found["INBOX"]
    assert "\\Subscribed" not in found["Tofu"]


def test_rfc5258_4_children_return(fruit):
    found = listed(fruit.ok('LIST () "" % RETURN (CHILDREN)'))
    assert set(found) == {"INBOX", "Fruit", "Tofu", "Vegetable"}
    assert "\\HasChildren" in found["Fruit"]
    assert "\\HasNoChildren" in found["Tofu"]


def test_rfc5258_3_5_childinfo(fruit):
    found = listed(fruit.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" %'))
    assert set(n for n in found if n[-1] != "+") == {
        "INBOX", "Fruit", "Vegetable"}
    assert found["Fruit+"] == '(CHILDINFO ("SUBSCRIBED"))'
    assert found["Vegetable+"] == '(CHILDINFO ("SUBSCRIBED"))'
    assert "INBOX+" not in found
    assert "\\Subscribed" in found["Vegetable"]
    assert "\\Subscribed" not in found["Fruit"]


def test_rfc5258_3_5_no_childinfo_of_what_is_answered_too(imap):
    for name in ("t2/t1", "t7/t7", "t8/t8", "t8/t9", "t1"):
        imap.ok(f"CREATE {name}")
        imap.ok(f"SUBSCRIBE {name}")
    for pattern, want in (
            ("*t7", {"t7/t7"}), ("*t8", {"t8", "t8+", "t8/t8"}),
            ("t2", {"t2", "t2+"}), ("(t2 t2/t1)", {"t2/t1"}),
            ("t%", {"t1", "t2", "t2+", "t7", "t7+", "t8", "t8+"}),
            ("t*", {"t1", "t2/t1", "t7/t7", "t8/t8", "t8/t9"})):
        found = listed(imap.ok(
            f'LIST (SUBSCRIBED RECURSIVEMATCH) "" {pattern}'))
        assert set(found) == want, pattern
    imap.ok("SUBSCRIBE t8")
    found = listed(imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" t8*'))
    assert set(found) == {"t8", "t8+", "t8/t8", "t8/t9"}


def test_rfc5258_3_5_childinfo_of_special_uses(imap):
    imap.ok("CREATE Mail/Sent (USE (\\Sent))")
    found = listed(imap.ok('LIST (SPECIAL-USE RECURSIVEMATCH) "" %'))
    assert found["Mail+"] == '(CHILDINFO ("SPECIAL-USE"))'
    imap.ok("SUBSCRIBE Mail/Sent")
    found = listed(imap.ok(
        'LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" %'))
    assert found["Mail+"] == '(CHILDINFO ("SUBSCRIBED" "SPECIAL-USE"))'


def test_rfc5258_3_5_parents_that_are_not_there(imap):
    imap.ok("CREATE x/y/z")
    imap.ok("SUBSCRIBE x/y/z")
    for name in ("x/y/z", "x/y", "x"):
        imap.ok(f"DELETE {name}")
    found = listed(imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" (x x/y)'))
    assert set(n for n in found if n[-1] != "+") == {"x", "x/y"}
    assert all("\\NonExistent" in found[n] for n in ("x", "x/y"))
    assert found["x+"] == found["x/y+"] == '(CHILDINFO ("SUBSCRIBED"))'
    found = listed(imap.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" *'))
    assert set(found) == {"x/y/z"} and "\\NonExistent" in found["x/y/z"]
    assert set(listed(imap.ok('LIST (SUBSCRIBED) "" %'))) == set()
    assert set(listed(imap.ok('LSUB "" %'), "LSUB")) == {"x"}


def test_many_mailboxes(imap):
    for n in range(200):
        imap.ok(f"CREATE box{n}/in")
    assert len(imap.ok('LIST "" *').all("LIST")) == 401
    assert len(imap.ok('LIST "" % RETURN (STATUS (MESSAGES))')
               .all("STATUS")) == 201


def test_rfc5258_3_1_recursivematch_alone_is_bad(imap):
    imap.bad('LIST (RECURSIVEMATCH) "" %')
    imap.bad('LIST (REMOTE RECURSIVEMATCH) "" %')
    imap.bad('LIST (XYZZY) "" %')
    imap.bad('LIST "" % RETURN (XYZZY)')


def test_rfc5258_3_several_patterns(fruit):
    found = listed(fruit.ok('LIST "" ("INBOX" "Tofu" "Veg*" "")'))
    assert set(found) == {"INBOX", "Tofu", "Vegetable", "Vegetable/Broccoli",
                          "Vegetable/Corn"}
    # At most one response a name.
    assert len(fruit.ok('LIST "" (% * T*)').all("LIST")) == 8


def test_rfc5258_3_remote_changes_nothing_here(fruit):
    assert set(listed(fruit.ok('LIST (REMOTE) "" "T*"'))) == {"Tofu"}


# --- LIST-STATUS ------------------------------------------------------------
def test_rfc5819_2_status_for_each_that_matches(fruit):
    fruit.append("Tofu", b"A: b\r\n\r\nc\r\n")
    r = fruit.ok('LIST "" % RETURN (STATUS (MESSAGES UNSEEN))')
    found = {rest.split(b" ")[0]: rest for _, rest in r.all("STATUS")}
    assert set(found) == {b"INBOX", b"Fruit", b"Tofu", b"Vegetable"}
    assert found[b"Tofu"] == b"Tofu (MESSAGES 1 UNSEEN 1)"


def test_rfc5819_2_no_status_of_what_cannot_be_selected(fruit):
    fruit.ok("DELETE Fruit")
    r = fruit.ok('LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES))')
    found = {rest.split(b" ")[0] for _, rest in r.all("STATUS")}
    assert b"Fruit/Peach" not in found and b"Fruit" not in found
    assert b"INBOX" in found


def cpu_seconds(server):
    ticks = 0
    for pid in server.pids("imapd"):
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_rfc5258_3_5_childinfo_costs_no_more_than_the_names(make_server):
    """Looking for children of each name looks at its children alone."""
    server = make_server()
    with server.imap(server.add_account()) as imap:
        names = [f"m{i}" for i in range(1000)] + ["p/x", "p/y"]
        for name in names:
            imap.send(f"x CREATE {name}\r\nx SUBSCRIBE {name}\r\n")
        for _ in range(2 * len(names)):
            assert imap.line().startswith(b"x OK")
        cost = []
        for command in ['LIST "" *',
                        'LIST (SUBSCRIBED RECURSIVEMATCH) "" %']:
            before = cpu_seconds(server)
            for _ in range(10):
                r = imap.ok(command)
            cost.append(cpu_seconds(server) - before)
        assert (b'* LIST (\\HasChildren) "/" p (CHILDINFO ("SUBSCRIBED"))'
                in r.untagged)
    assert cost[1] < 5 * cost[0] + 0.5, cost
