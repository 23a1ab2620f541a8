#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line that the log may say of an exporter is explained in docs/troubleshooting.md, and so are those of maps, lists and what goes with
them, in the words that the program has.

usage: troubleshooting.py SOURCE_FOLDER
"""
import pathlib
import re
import sys

# What nobody has to mend: an operator asked for it.
MEANT = {"filtered"}


# Lines of maps, lists, places, options data and checks of rows: a source, and words that it says.
SAID = {
    "src/maps/networks.c": ("its last field is no prefix; write one with its length, such as 192.0.2.0/24 or 2001:db8::/32",
                            "the field before the prefix is no AS; write AS or PEERAS_AS in decimal, such as 64500 or 64501_64500 (a next hop "
                            "stands before it: 192.0.2.1,64500,PREFIX)", "its first field is no address; write a next hop such as 192.0.2.1"),
    "src/maps/row_search.c": ("rows ask for nothing but filters, negations and wide ranges: each is tried for each flow; add keys such as ip= or in= "
                              "to them",),
    "src/maps/tag_map.c": ("agent_id: sub-agents are sFlow's: here such rows hold for no flow; ask for engine_id",
                           "return: flows that it gives away count twice; pmacct means to drop it; a second instance with a map of its own does "
                           "the same"),
    "src/maps/map_source.c": ("the row is left out",),
    "src/maps/map_file.c": ("(re)loading map.", "map successfully (re)loaded with ", "unknown key '", "the row does not say "),
    "src/maps/value_list.c": ("a port from 1 to 65535; all others become 0",),
    "src/maps/maps.c": ("places are left empty",),
    "src/maps/geoip.c": ("no database of places", "it does not say what it is, as a MaxMind DB does at its end"),
    "src/daemon/errands.c": ("maps: read anew", "maps: the old ones stay in force", "; strict_config: false leaves out rows that are wrong"),
    "src/maps/roa_file.c": ("a ROA is left out: ", "its maxLength does not suit the prefix"),
    "src/bgp/table_load.c": ("nothing behind it is loaded", " damaged records and paths passed over, the first at ", "peers not loaded: bgp_daemon_max_peers is ",
                             "longer ago than bgp_table_load_keep; not loaded"),
    "src/bgp/table_save.c": ("the next start will not know these routes",),
    "src/rpki/rtr.c": ("it cannot be reached", "it sent what is no message of RTR; is it a cache of the RPKI?",
                       "it does not speak version 1; it is asked by version 0", " ROAs no longer hold, and origins are unknown until it is back"),
    "src/daemon/notices.c": ("nothing is read from it; set ", "no row has sample_type, so rows of options data look like those of events; let a row "
                             "ask for sample_type=option"),
    "src/bmp/bmp_members.c": ("routes of a peer are not taken: it has more than ", " of them; raise ", " tables that routers may have are in use; raise ",
                              ", or let routers tell of fewer VRFs"),
    "src/bmp/bmp_routes.c": (" of one prefix in one table", " paths refused: it has more than "),
    "src/daemon/views.c": (", which [", "lacks; set it, or use another "),
    "src/daemon/template_sharing.c": ("is this daemon's own port: each template would come back without end",),
    "src/pipeline/template_share.c": ("messages of templates dropped: ",),
    "src/daemon/ingress_keys.c": ("it has no effect without ",),
    "src/plugins/kafka/registry_answer.c": ("it has another schema, with which this one is not compatible: set the subject's compatibility to "
                                            "NONE, delete the subject, or send to another topic",),
    "src/plugins/common/row_filter.c": ("is not offered; there are ", "a check of flows needs the primitive flows in `aggregate`"),
}


def said_by(path):
    """The texts of a C file, those that stand beside each other as one."""
    return re.sub(r'"\s*"', "", path.read_text())


def one_line(text):
    return " ".join(text.split())


def rows(path, macro, pattern):
    return re.findall(rf'^{macro}\((\w+), \w+, {pattern}"((?:[^"\\]|\\.)*)"\)$', path.read_text(), re.M)


def main(top):
    page = one_line((top / "docs/troubleshooting.md").read_text())
    notes = rows(top / "src/flow/exporter_notes.def", "EXPORTER_NOTE", "")
    drops = rows(top / "src/flow/drop_reasons.def", "DROP_REASON", r'"\w+", ')
    for path, found in ("exporter_notes.def", notes), ("drop_reasons.def", drops):
        count = (top / "src/flow" / path).read_text().count("\nEXPORTER_NOTE(" if "notes" in path else "\nDROP_REASON(")
        assert len(found) == count > 5, f"{path}: {len(found)} of {count} rows are understood"
    wrong = [f"no section for the row {name} of exporter_notes.def (write: Row `{name}`: *the line*)"
             for name, _ in notes if f"Row `{name}`: *" not in page]
    wrong += [f"the words of the row {name} are not there as the log says them: {text}" for name, text in [*notes, *drops]
              if name not in MEANT and text not in page]
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
               for title in re.findall(r"^#+ (.*)$", (top / "docs/troubleshooting.md").read_text(), re.M)}
    for path, texts in SAID.items():
        assert all(text in said_by(top / path) for text in texts), f"{path} no longer says one of {texts}"
        wrong += [f"no section has what {path} says: {text}" for text in texts if text.strip() not in page]
    reports = set(re.findall(r'report\(p, "([^"]*)"', said_by(top / "src/maps/networks.c")))
    wrong += [f"no section has what networks.c says: {text}" for text in reports if text not in page]
    wrong += [f"a link to #{anchor}, which is no section" for anchor in re.findall(r"\]\(#([^)]*)\)", page) if anchor not in anchors]
    for line in wrong:
        print(f"docs/troubleshooting.md: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
