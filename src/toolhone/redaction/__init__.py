"""What may be kept: everything that is written down for good passes through here first.

`redact` takes a JSON value and `redact_text` a text; both leave a typed mark such as `[REDACTED:api_key]`
where a secret or a piece of personal data was. `redact_record` does the same to what is to be learned from,
with marks that say which of them are the same: `[REDACTED:email 1]`. Three things give it away:

- its own form (`shapes`, `figures`, `identities`): tokens of known vendors, private keys, valid card numbers.
- the key it stands under (`keys`): everything under `password` goes, under `token` what looks like one.
- the name before it in a text (`assignments`): `export API_KEY=…`, `Cookie: …`, `--password …`; or beside it
  (`layouts`): `setPassword("…")`, a column of a table.

What each kind is known by, and how well, is in `docs/redaction.md`.

Decided, because it could be otherwise:

- Loopback, unspecified addresses, netmasks and `10.0.0.0` stay, they are the same on every machine; all other
  IP addresses go, private ones too. Four numbers behind a word such as "version" or "section", or under a
  key that ends in one, are not an address.
- Positions in a listing (`next_page_token`, `cursor`) stay, however random: they give no rights.
- Under a telling key every scalar but null, true, false and "" goes, at any depth. A JSON Schema under
  such a key describes the secret and stays, except for its examples.
- A `pk_` key of Stripe, a UUID under `key` and a bare hash are names and stay.
- As a parameter of a URL or an environment variable a token needs a letter beside a digit and eight
  characters to go, elsewhere it must look random. The `code` of a sign-in goes only if it looks random.
- What stands in the column of a table (`columns` and `rows` as lists) is judged by the column's name.
- Keys become strings, as JSON writes them. Below `MAX_DEPTH` levels nothing is kept.
"""

from toolhone.redaction.placeholders import Kind, placeholder
from toolhone.redaction.records import redact_record
from toolhone.redaction.tree import MAX_DEPTH, redact, redact_text

__all__ = ["MAX_DEPTH", "Kind", "placeholder", "redact", "redact_record", "redact_text"]
