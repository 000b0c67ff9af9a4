# Flattens the YAML that seeds are written in (block and flow form, JSON included; no anchors, no folded scalars) to lines of
# PATH<tab>VALUE, such as "ethernets.eth0.addresses.0<tab>192.0.2.10/24". Backslash and line feed in a value are written \\ and \n.

# By hand: what a backslash means in the replacement of gsub differs between versions of busybox.
function put(path, value,    i, c, out) {
    for (i = 1; i <= length(value); i++) {
        c = substr(value, i, 1)
        out = out (c == "\\" ? "\\\\" : c == "\n" ? "\\n" : c)
    }
    print substr(path, 2) "\t" out
}

function blanks() { sub(/^[ \t]+/, "", rest) }

# Takes a quoted string or a plain word off `rest`; a plain word ends at one of the characters of `ends`, or with the text.
function scalar(ends,    quote, out, c) {
    blanks(); quote = substr(rest, 1, 1); out = ""
    if (quote != "\"" && quote != "'") {
        while (rest != "" && !index(ends, c = substr(rest, 1, 1))) { out = out c; rest = substr(rest, 2) }
        if (ends == "") sub(/[ \t]+#.*$/, "", out)
        sub(/[ \t]+$/, "", out)
        return out
    }
    for (rest = substr(rest, 2); rest != ""; rest = substr(rest, 2)) {
        c = substr(rest, 1, 1)
        if (c == quote && quote == "'" && substr(rest, 2, 1) == "'") rest = substr(rest, 2)
        else if (c == quote) { rest = substr(rest, 2); return out }
        else if (c == "\\" && quote == "\"") {
            rest = substr(rest, 2); c = substr(rest, 1, 1)
            if (c == "n") c = "\n"
            else if (c == "t") c = "\t"
            else if (c == "u") { c = sprintf("%c", hex(substr(rest, 2, 4))); rest = substr(rest, 5) }
        }
        out = out c
    }
    return out
}

function hex(digits,    i, n) {
    for (i = 1; i <= length(digits); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return n
}

# Takes one flow value off `rest`: [..], {..} or a scalar.
function flow(path, ends,    n, key) {
    blanks()
    if (rest ~ /^\[/) {
        rest = substr(rest, 2); blanks()
        for (n = 0; rest != "" && rest !~ /^\]/; n++) { flow(path "." n, ",]"); blanks(); sub(/^,/, "", rest); blanks() }
        rest = substr(rest, 2)
    } else if (rest ~ /^\{/) {
        rest = substr(rest, 2); blanks()
        while (rest != "" && rest !~ /^\}/) {
            key = scalar(":"); blanks(); sub(/^:/, "", rest)
            flow(path "." key, ",}"); blanks(); sub(/^,/, "", rest); blanks()
        }
        rest = substr(rest, 2)
    } else put(path, scalar(ends))
}

function forget(from,    i) { for (i in level) if (i + 0 > from) delete level[i] }

function parent(indent,    i, best) {
    best = -1
    for (i in level) if (i + 0 < indent && i + 0 > best) best = i + 0
    return best < 0 ? "" : level[best]
}

function entry(indent, text,    base, path, key) {
    forget(indent)
    if (text == "-" || text ~ /^- /) {
        # A list may stand at the indentation of the key it belongs to.
        base = (indent in level) ? level[indent] : parent(indent)
        path = base "." (count[base] + 0); count[base]++
        level[indent + 0.5] = path
        sub(/^- */, "", text)
        if (text != "") entry(indent + 2, text)
    } else if (match(text, /^("[^"]*"|[A-Za-z0-9_.@\/-]+):( |$)/)) {
        key = substr(text, 1, RLENGTH); sub(/: ?$/, "", key); gsub(/"/, "", key)
        path = parent(indent) "." key
        level[indent] = path
        text = substr(text, RLENGTH + 1); sub(/^[ \t]+/, "", text)
        if (text ~ /^\|/) { literal = path; literalIndent = indent; block = "" }
        else if (text != "" && text !~ /^#/) value(path, text)
    } else if (text ~ /^\|/) { literal = parent(indent); literalIndent = indent - 2; block = "" }
    else value(parent(indent), text)
}

function value(path, text) { rest = text; flow(path, "") }

function endLiteral() {
    if (literal != "") put(literal, block)
    literal = ""
}

{
    match($0, /^ */); indent = RLENGTH; text = substr($0, indent + 1)
    sub(/\r$/, "", text); sub(/[ \t]+$/, "", text)
    if (literal != "") {
        if (text == "" || indent > literalIndent) {
            if (block == "") strip = indent
            block = block substr($0, strip + 1) "\n"
            next
        }
        endLiteral()
    }
    if (text == "" || text ~ /^#/ || text == "---" || text == "...") next
    # A document in flow form may run over lines: collect it whole.
    if (collecting || (indent == 0 && text ~ /^[\[{]/)) { collecting = 1; whole = whole " " text; next }
    entry(indent, text)
}

END {
    endLiteral()
    if (collecting) { rest = whole; flow("", "") }
}
