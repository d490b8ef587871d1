import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { asUser } from "../../system/as-user.ts";
import { adviceOf, onlyRootExchanges } from "../../system/exchange.ts";
import { freeName } from "../../system/free-name.ts";
import { splitHome } from "../../system/separator.ts";
import { firstLink } from "../../system/sshd/strict-modes.ts";
import { KEYS_FILE } from "../../users/keys.ts";

/**
 * The user of a key file, who can replace everything in the home, even after root has read a remedy. So a command that
 * uses a name in the home runs with the user's own rights.
 */
type Account = Pick<PasswdEntry, "name" | "uid" | "home">;

/** What adds a key to a file that is missing or has none. */
export function addAdvice(file: ByteString, account: Account): Advice {
  if (onlyRootExchanges(file)) return inWords(`put a public key into ${display(file)}`);
  const { home, name } = account;
  const jail = splitHome(home)?.jail;
  // jk_jailuser checks the files that it opens.
  if (jail !== undefined && file === `${home}/${KEYS_FILE}`)
    return `jk_jailuser -n -j ${shellWord(jail)} --authorized-key FILE.pub ${operands(name)}`;
  const put = "let the user put a public key there";
  if (jail !== undefined) return inWords(put);
  const theirs = asUser({ name, jail, input: "FILE.pub" }, "tee -a", file).advice;
  return inWords(`${put}, or do it with the user's rights: ${theirs}`);
}

/** What lets the user read a file. */
export function readAdvice(file: ByteString, { name, home }: Account): Advice {
  if (onlyRootExchanges(file)) return inWords(`let the user read ${display(file)}`);
  // Where somebody else decides, the user's rights change nothing, and root must not act on a name.
  if (!file.startsWith(`${home}/`))
    return inWords(`let the user read ${display(file)}, or let AuthorizedKeysFile name another file`);
  const acting = { name, jail: splitHome(home)?.jail };
  const link = attempt(() => firstLink(home, file.slice(home.length)));
  if (link !== undefined) return adviceOf(asUser(acting, "mv -nT", link, freeName(link, ".moved")));
  return adviceOf(asUser(acting, "chmod u+rwX", directoryOf(file), file));
}
