import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { JailkitError } from "../cli/error.ts";
import { answeredGroup, answeredUser, type Group, type PasswdEntry } from "./accounts.ts";
import { flatAccounts } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";

/** The services of each database in the text of nsswitch.conf(5), without their [actions]. */
export function parseNsswitch(text: ByteString): Map<ByteString, ByteString[]> {
  const found = new Map<ByteString, ByteString[]>();
  for (const raw of text.split("\n")) {
    const line = /^[\t-\r ]*([A-Za-z_]+)[\t-\r ]*:(.*)$/.exec(raw.replace(/#.*/, ""));
    const services = (line?.[2] ?? "").replace(/\[[^\]]*\]/g, " ").match(/[A-Za-z0-9_+.-]+/g);
    if (line?.[1] !== undefined) found.set(line[1], services ?? []);
  }
  return found;
}

/** The services that the host asks for accounts, such as "files" and "sss". */
export function userServices(): readonly ByteString[] {
  return parseNsswitch(hostText("/etc/nsswitch.conf") ?? "").get("passwd") ?? ["files"];
}

let silent = false;

/**
 * What `ask` returns, or, once a service did not answer, what `local` finds in the files. Throws JailkitError "name-service".
 * Only one question of a run waits: nslcd(8) takes 10 seconds for one while its server is down.
 */
function answer<T>(ask: () => T | undefined, local: () => T | undefined): T | undefined {
  try {
    if (!silent) return ask();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    silent = true;
  }
  const found = local();
  if (found !== undefined) return found;
  const services = `passwd: ${userServices().join(" ")} in /etc/nsswitch.conf`;
  const message = `a name service does not answer (${services}): its daemon or its server is down`;
  throw new JailkitError("name-service", 1, message);
}

/** The account of a name or uid. Throws JailkitError "name-service" if that is unknown, because a service did not answer. */
export function hostUser(key: ByteString | number): PasswdEntry | undefined {
  const { userByName, userByUid } = flatAccounts;
  const local = () => (typeof key === "number" ? userByUid(key) : userByName(key));
  return answer(() => answeredUser(key), local);
}

/** The same for the group of a name or gid. */
export function hostGroup(key: ByteString | number): Group | undefined {
  const { groupByName, groupByGid } = flatAccounts;
  const local = () => (typeof key === "number" ? groupByGid(key) : groupByName(key));
  return answer(() => answeredGroup(key), local);
}
