import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
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
  return servicesIn("passwd");
}

type Key = ByteString | number;

/** Who knows the entries of a database: all name services of the host, which may throw SystemError, and its file. */
interface Source<T> {
  readonly database: "passwd" | "group";
  readonly ask: (key: Key) => T | undefined;
  readonly local: (key: Key) => T | undefined;
}

/** A service that does not take a name says so at once: nslcd(8) asks no server. In milliseconds. */
const AT_ONCE_MS = 5000;

/** A name that every service takes, and that nobody has; never the same, so that no cache has the answer. */
const nobodys = (): ByteString => `jk${Math.floor(Math.random() * 1e12)}`;

/**
 * Asks name services for one run. nslcd(8) closes the connection on a name that it does not take, as it does while its server
 * is down, and sssd(8) fails for a uid that two entries of its directory have. So before a service counts as silent, it is asked
 * for a plain name, and then once more for the first. One that is silent is asked nothing else: only one question of a run waits,
 * of which each may take 10 seconds.
 */
export class NameServices {
  readonly #now: () => number;
  readonly #refused = new Set<string>();
  #isSilent = false;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** A service did not answer in this run. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /**
   * The entry of a key, or, once a service did not answer, that in the file. Throws JailkitError "name-service", or
   * "name-refused" for a name that a service does not take, or an id that it does not answer for.
   */
  find<T>(source: Source<T>, key: Key): T | undefined {
    const { database, ask, local } = source;
    const what = `${database} ${key}`;
    const isRefused = () => this.#refused.has(what);
    if (!this.#isSilent && !isRefused()) {
      const start = this.#now();
      const reply = replyOf(ask, key);
      const isUnknown = reply !== undefined && reply.entry === undefined && isUnread(source, key);
      if (reply !== undefined && !isUnknown) return reply.entry;
      const isQuick = !isUnknown && this.#now() - start < AT_ONCE_MS;
      const takesOthers = isQuick && replyOf(ask, nobodys()) !== undefined;
      const second = takesOthers ? replyOf(ask, key) : undefined;
      if (second !== undefined) return second.entry;
      if (takesOthers) this.#refused.add(what);
      else this.#isSilent = true;
    }
    const found = local(key);
    if (found !== undefined) return found;
    throw isRefused() ? refusal(database, key) : silence();
  }
}

/** What the services say of a key; undefined if one does not answer. */
function replyOf<T>(ask: (key: Key) => T | undefined, key: Key): { entry: T | undefined } | undefined {
  try {
    return { entry: ask(key) };
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

const servicesIn = (database: ByteString): readonly ByteString[] =>
  parseNsswitch(hostText("/etc/nsswitch.conf") ?? "").get(database) ?? ["files"];

const servicesOf = (database: ByteString): ByteString =>
  `${database}: ${servicesIn(database).join(" ")} in /etc/nsswitch.conf`;

/** True for an entry of the file where no service reads that: glibc has no error for the first question to a service that is not there. */
const isUnread = <T>({ database, local }: Source<T>, key: Key): boolean =>
  !servicesIn(database).some((service) => service === "files" || service === "compat") &&
  local(key) !== undefined;

function silence(): JailkitError {
  const message = `a name service does not answer (${servicesOf("passwd")}): its daemon or its server is down`;
  return new JailkitError("name-service", 1, message);
}

function refusal(database: "passwd" | "group", key: Key): JailkitError {
  const id = `${database === "passwd" ? "uid" : "gid"} ${key}`;
  const [what, how] =
    typeof key === "number"
      ? [`say who has the ${id}`, "if two entries of its directory have it, give one of them another"]
      : [
          `take the name ${quoted(key)}`,
          "use another one, or, with nslcd, let validnames in /etc/nslcd.conf match it, and start nslcd again",
        ];
  return new JailkitError(
    "name-refused",
    1,
    `a name service does not ${what} (${servicesOf(database)}): ${how}`,
  );
}

/** True for the error about a name or an id that a name service does not answer for, while it does for others. */
export const isRefusedName = (error: unknown): error is JailkitError =>
  error instanceof JailkitError && error.code === "name-refused";

/** What `ask` returns, or the printable reason why a name service does not take the name, or the id, that it asks for. */
export function unlessRefused<T>(
  ask: () => T,
):
  | { readonly found: T; readonly refusal?: undefined }
  | { readonly found?: undefined; readonly refusal: string } {
  try {
    return { found: ask() };
  } catch (error) {
    if (!isRefusedName(error)) throw error;
    return { refusal: error.message };
  }
}

const services = new NameServices();
const USERS: Source<PasswdEntry> = {
  database: "passwd",
  ask: answeredUser,
  local: (key) => (typeof key === "number" ? flatAccounts.userByUid(key) : flatAccounts.userByName(key)),
};
const GROUPS: Source<Group> = {
  database: "group",
  ask: answeredGroup,
  local: (key) => (typeof key === "number" ? flatAccounts.groupByGid(key) : flatAccounts.groupByName(key)),
};

/**
 * The account of a name or uid. Throws JailkitError "name-service" if that is unknown, because a service did not answer, and
 * "name-refused" if one does not take the name, or does not say who has the uid.
 */
export const hostUser = (key: Key): PasswdEntry | undefined => services.find(USERS, key);

/** Whether a name service did not answer in this run. */
export const isSilent = (): boolean => services.isSilent;

/** Whether no account has a uid; false also if that is not known. */
export const isNobodys = (uid: number): boolean => answered(() => hostUser(uid) === undefined) === true;

/** The same for the group of a name or gid. */
export const hostGroup = (key: Key): Group | undefined => services.find(GROUPS, key);
