"""Makes a policy smaller while it still shows what it showed.

Parts are left out, the large ones first. What is left is tried on from where the last part was left out, and from the beginning as long as a
whole round makes it smaller.
"""

import re
import time

import drawn

TOKEN = re.compile(r'\$?"(?:\\.|[^"\\])*"|[A-Za-z_][A-Za-z0-9_]*|\d+|:=|==|!=|<=|>=|\n|[^\S\n]+|.')
CLOSING = {"(": ")", "[": "]", "{": "}"}
# How many texts are tried at once.
TRIES = 16
# Seconds for one policy.
PATIENCE = 25


def program(whole, keeps):
    """The smallest text that was found. `keeps` says of each of several texts whether it still shows it."""
    until = time.monotonic() + PATIENCE
    rules, imports = whole.rules, whole.imports

    def text(rules, imports):
        return drawn.Program(whole.style, imports, rules).text()

    size = max(len(rules) // 2, 1)
    while size >= 1:
        rules = reduced(rules, chunks(size), lambda tried: text(tried, imports), keeps, until)
        size //= 2
    imports = reduced(imports, chunks(1), lambda tried: text(rules, tried), keeps, until)
    rules = reduced(rules, with_less, lambda tried: text(tried, imports), keeps, until)
    tokens = TOKEN.findall(text(rules, imports))
    size = 16
    while size >= 1:
        tokens = reduced(tokens, shorter(size), "".join, keeps, until)
        size = size * 2 // 3
    return re.sub(r"\n\s*\n+", "\n", "".join(tokens))


def question(whole, keeps):
    """The smallest `input` that was found."""
    return reduced(whole, less, lambda document: document, keeps, time.monotonic() + PATIENCE)


def reduced(whole, parts, text, keeps, until):
    """`parts` gives smaller ones, each with the place where it goes on if that one is taken."""
    start, is_smaller = 0, False
    while time.monotonic() < until:
        found = first(parts(whole, start), text, keeps, until)
        if found is not None:
            (start, whole), is_smaller = found, True
        elif is_smaller and start > 0:
            start, is_smaller = 0, False
        else:
            break
    return whole


def first(tried, text, keeps, until):
    some = []
    for candidate in tried:
        some.append(candidate)
        if len(some) >= TRIES:
            found = kept(some, text, keeps)
            if found is not None or time.monotonic() > until:
                return found
            some = []
    return kept(some, text, keeps)


def kept(some, text, keeps):
    if not some:
        return None
    return next((candidate for candidate, keep in zip(some, keeps([text(whole) for _, whole in some])) if keep), None)


def chunks(size):
    def parts(items, start):
        for begin in range(start, len(items), size):
            yield begin, items[:begin] + items[begin + size :]

    return parts


def with_less(rules, start):
    """The rules without one branch or statement of one of them."""
    for number in range(start, len(rules)):
        for bodies in fewer(rules[number].bodies):
            yield number, rules[:number] + [drawn.Rule(rules[number].head, bodies)] + rules[number + 1 :]


def fewer(bodies):
    if bodies:
        yield []
    for number in range(1, len(bodies)):
        yield bodies[:number] + bodies[number + 1 :]
    for number, (value, statements) in enumerate(bodies):
        for _, less in chunks(1)(statements, 0):
            if less or value is not None:
                yield bodies[:number] + [(value, less)] + bodies[number + 1 :]


def shorter(size):
    """Without spans of tokens, without brackets and what stands before them."""

    def parts(tokens, start):
        pairs = matching(tokens)
        # The package is needed.
        for begin in range(max(start, tokens.index("\n") + 1), len(tokens)):
            if tokens[begin].isspace():
                continue
            if begin in pairs and size == 1:
                end = pairs[begin]
                yield begin, tokens[:begin] + tokens[begin + 1 : end] + tokens[end + 1 :]
                name = begin
                while name > 0 and re.fullmatch(r"[\w.]+", tokens[name - 1]):
                    name -= 1
                if name < begin:
                    yield name, tokens[:name] + tokens[begin + 1 : end] + tokens[end + 1 :]
                    yield name, tokens[:name] + ["1"] + tokens[end + 1 :]
            elif begin in pairs and pairs[begin] - begin <= 2 * size:
                yield begin, tokens[:begin] + tokens[pairs[begin] + 1 :]
            if begin + size <= len(tokens):
                yield begin, tokens[:begin] + tokens[begin + size :]

    return parts


def matching(tokens):
    """Where each opening bracket is closed."""
    open_, pairs = [], {}
    for index, token in enumerate(tokens):
        if token in CLOSING:
            open_.append(index)
        elif open_ and token == CLOSING[tokens[open_[-1]]]:
            pairs[open_.pop()] = index
    return pairs


def less(value, _start):
    for smaller in less_of(value):
        yield 0, smaller


def less_of(value):
    if isinstance(value, dict):
        for key in value:
            yield {name: field for name, field in value.items() if name != key}
        for key, field in value.items():
            for smaller in less_of(field):
                yield value | {key: smaller}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield value[:index] + value[index + 1 :]
            for smaller in less_of(item):
                yield value[:index] + [smaller] + value[index + 1 :]
