import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { exchangeBack } from "../../jail/record/displaced.ts";
import { livesIn } from "../../system/separator.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { FaultText } from "../change.ts";
import type { Machine } from "./machine.ts";

/** The one other jail to which all declared users belong who have a line and their home in a jail, and no home in that other one. */
function whoseJail(root: JailRoot, machine: Machine): { jail: ByteString; name: ByteString } | undefined {
  const { users: lines } = readJailAccounts(root);
  const theirs = lines.flatMap((line) => {
    const declared = machine.declaredUser(line.name);
    return declared === undefined ? [] : { line, jail: declared.jail };
  });
  const [first] = theirs;
  if (first === undefined) return undefined;
  const { jail } = first;
  if (jail === root.path) return undefined;
  using other = openJailRoot(jail);
  const isTheirs = theirs.every(({ line: { name, uid, home }, jail: one }) => {
    const account = machine.accounts.userByName(name);
    if (one !== jail || account?.uid !== uid || !livesIn(jail, account.home)) return false;
    return lookUp(root, home)?.stat.uid === uid && lookUp(other, homeFor(account, jail))?.stat.uid !== uid;
  });
  return isTheirs ? { jail, name: first.line.name } : undefined;
}

/**
 * Why nothing is done in a jail without a record, if it is certainly that of the users of another one: nothing else tells that the two
 * have exchanged their paths when all that was recorded is lost.
 */
export function anothersJail(root: JailRoot, machine: Machine): FaultText | undefined {
  return answered(() => {
    const { path } = root;
    const whose = whoseJail(root, machine);
    if (whose === undefined) return undefined;
    using other = openJailRoot(whose.jail);
    if (whoseJail(other, machine)?.jail !== path) return undefined;
    const is = `its etc/passwd and its homes are those of the users of ${quoted(whose.jail)}, such as ${quoted(whose.name)}, and the other way round, so nothing is done in the two: move each jail back to its path`;
    const [teller = path, second = path] = [path, whose.jail].sort();
    const remedy = exchangeBack(teller, second);
    if (remedy === "") return { code: "moved", message: is };
    // Typed for each of them, it would exchange them once more.
    if (teller !== path) return { code: "moved", message: `${is}, as the error of ${display(teller)} shows` };
    return { code: "moved", message: `${is}, with: ${remedy}`, remedy };
  });
}
