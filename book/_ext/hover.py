"""Show a term's definition where the term is used, when it is pointed at or reached with the keyboard.

A ``{term}`` is a link into the glossary. Each gets its definition as a tooltip in the sense of WAI-ARIA: an element
of role ``tooltip`` that the link names as its description, so that screen readers read it, too. It is put into the
finished page and not into the document, or the search would find the definitions on every page.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes


def definitions(app):
    """Render the first paragraph of each definition, by the anchor of its term."""
    if not hasattr(app.env, "term_definitions"):
        app.env.term_definitions = {}
        documents = {document for document, _ in glossary_entries(app.env)}
        for document in documents:
            for item in app.env.get_doctree(document).findall(nodes.definition_list_item):
                paragraph = next(item.findall(nodes.paragraph), None)
                anchors = [anchor for term in item.findall(nodes.term) for anchor in term["ids"]]
                if paragraph is not None and anchors:
                    html = app.builder.render_partial(without_links(paragraph))["fragment"]
                    inner = re.fullmatch(r"<p[^>]*>(.*)</p>", html.strip(), re.DOTALL)[1]
                    app.env.term_definitions.update(dict.fromkeys(anchors, inner))
    return app.env.term_definitions


def glossary_entries(env):
    """List page and anchor of every term."""
    objects = env.get_domain("std").objects
    return [place for (kind, _), place in objects.items() if kind == "term"]


def without_links(paragraph):
    """Copy a paragraph with its references as plain text: a tooltip holds nothing to click."""
    copy = paragraph.deepcopy()
    for reference in [*copy.findall(addnodes.pending_xref), *copy.findall(nodes.reference)]:
        reference.replace_self(nodes.inline("", reference.astext()))
    return copy


def add_definitions(app, pagename, templatename, context, doctree):
    """Give every term on a page its tooltip."""
    if "std-term" not in context.get("body", ""):
        return
    known, count = definitions(app), 0

    def wrap(link):
        nonlocal count
        if link["anchor"] not in known:
            return link[0]
        count += 1
        tip = f'<span role="tooltip" class="term-definition" id="definition-{count}">{known[link["anchor"]]}</span>'
        described = link[0].replace("<a ", f'<a aria-describedby="definition-{count}" ', 1)
        return f'<span class="term">{described}{tip}</span>'

    term = (
        r'<a class="reference internal" href="[^"#]*#(?P<anchor>[^"]+)"><span class="xref std std-term">.*?</span></a>'
    )
    context["body"] = re.sub(term, wrap, context["body"], flags=re.DOTALL)


def setup(app):
    """Register the hook, and the script in `book/_static`."""
    app.connect("html-page-context", add_definitions)
    app.add_js_file("hover.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
