import { type ByteString, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean } from "../cli/suggest.ts";
import { hostText } from "../system/host-files.ts";
import { expiryTime } from "../system/sshd/authorized-keys.ts";

// AUTHORIZED_KEYS FILE FORMAT of sshd(8). sshd skips a line with an unknown option.
const ALSO_WITH_NO = [
  ...["agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding"],
  ...["touch-required", "verify-required"],
];
const FLAGS = ["cert-authority", "restrict", ...ALSO_WITH_NO.flatMap((flag) => [flag, `no-${flag}`])];

interface Option {
  name: ByteString;
  /** As it is written, without the quotes around it. */
  value: ByteString | undefined;
  /** Where the next one begins: after a comma, or at the end of the text. */
  end: number;
}

const NAME = /[\w-]+/y;

/** The option that begins there; undefined if none does. No pattern: it would need memory for each character of a value. */
function optionAt(options: ByteString, at: number): Option | undefined {
  NAME.lastIndex = at;
  const [name = ""] = NAME.exec(options) ?? [];
  let end = at + name.length;
  let value: ByteString | undefined;
  if (options.startsWith('="', end)) {
    const start = end + 2;
    let quote = options.indexOf('"', start);
    while (quote >= 0 && options.charAt(quote - 1) === "\\") quote = options.indexOf('"', quote + 1);
    if (quote < 0) return undefined;
    value = options.slice(start, quote);
    end = quote + 1;
  }
  if (name === "" || (end < options.length && options.charAt(end) !== ",")) return undefined;
  return { name, value, end: Math.min(end + 1, options.length) };
}

/** The names of ports in services(5). */
function serviceNames(): ByteString[] {
  return (hostText("/etc/services") ?? "").split("\n").flatMap((line) => {
    const [name = "", port = "", ...more] = trim(line.replace(/#.*/, "")).split(/[\t-\r ]+/);
    return port.endsWith("/tcp") ? [name, ...more] : [];
  });
}

// Read once, because a user's file may have thousands of options.
let services: ReadonlySet<ByteString> | undefined;

/** True for a port, by number or name. */
function isPort(text: ByteString): boolean {
  // As strtonum(3) reads a number.
  if (/^[\t-\r ]*\+?\d+$/.test(text)) return Number(text) > 0 && Number(text) < 1 << 16;
  services ??= new Set(serviceNames());
  return services.has(text);
}

/** True for HOST:PORT, with the host in brackets if it has colons; `*` is any port. As hpdelim2 of OpenSSH. */
function isPlace(value: ByteString): boolean {
  const [, port] = /^(?:\[[^\]]*\]|(?!\[)[^:/]*)[:/](.*)$/s.exec(value) ?? [];
  return port !== undefined && (port === "*" || isPort(port));
}

// As in sshauthopt_parse of OpenSSH: sshd skips a line with an invalid value.
const CHECKS: Readonly<Record<string, (value: ByteString) => boolean>> = {
  command: () => true,
  environment: (value) => /^\w+=/.test(value),
  "expiry-time": (value) => expiryTime(value) !== undefined,
  from: () => true,
  permitlisten: (value) => isPlace(value.includes(":") ? value : `*:${value}`),
  permitopen: isPlace,
  principals: () => true,
  tunnel: (value) => /^(?:any|[\t-\r ]*\+?\d{1,9})$/i.test(value),
};
const VALUED = Object.keys(CHECKS);
const ONCE = ["command", "from", "principals"];

/** Why sshd would reject the values of these options, all of which are known. */
function badValues(options: ByteString): string | undefined {
  const list = optionList(options);
  for (const [name, value] of list)
    if (CHECKS[name]?.(value) === false) return `the option ${quoted(name)} cannot be ${quoted(value)}`;
  const twice = ONCE.find((once) => list.filter(([name]) => name === once).length > 1);
  if (twice !== undefined) return `the option ${quoted(twice)} is given twice`;
  // Without cert-authority, nobody can use the key.
  const has = (wanted: string) => list.some(([name]) => name === wanted);
  return has("principals") && !has("cert-authority")
    ? "the option 'principals' is for a key with cert-authority"
    : undefined;
}

/** Why sshd would reject an option of that name with such a value. `hints`: also what was meant, perhaps. */
function notAnOption(name: ByteString, value: ByteString | undefined, hints: boolean): string {
  const word = name.toLowerCase();
  const all = [...FLAGS, ...VALUED];
  if (all.includes(word))
    return `the option ${quoted(word)} is written ${value === undefined ? `${word}="..."` : `${word} alone`}`;
  return `${quoted(name)} is not an option of sshd${hints ? didYouMean(name, all) : ""}`;
}

/** Why sshd would reject these options; undefined if it would not. Unless `exact`, an option may be missing between commas. */
export function badOptions(options: ByteString, exact: boolean): string | undefined {
  for (let at = 0; ; ) {
    while (!exact && options.charAt(at) === ",") at++;
    if (!exact && at === options.length) return badValues(options);
    const { name = "", value, end = at } = optionAt(options, at) ?? {};
    const word = name.toLowerCase();
    const known = value === undefined ? FLAGS : VALUED;
    // A user's own file may have thousands of lines that are wrong.
    if (!known.includes(word)) return notAnOption(name || options.slice(at, at + 40), value, exact);
    at = end;
    if (at === options.length)
      return exact && options.endsWith(",")
        ? "an option is missing after the last comma"
        : badValues(options);
  }
}

/** The options of a KeyLine: names in lower case, values without quotes, "" for none. */
export function keyOptions(options: ByteString): ReadonlyMap<string, ByteString> {
  return new Map(optionList(options));
}

/** The values of an option that may be repeated (`environment`), in order. Pure. */
export function optionValues(options: ByteString, wanted: string): ByteString[] {
  return optionList(options).flatMap(([name, value]) => (name === wanted ? [value] : []));
}

function optionList(options: ByteString): [string, ByteString][] {
  const list: [string, ByteString][] = [];
  for (let at = 0; ; ) {
    while (options.charAt(at) === ",") at++;
    const found = optionAt(options, at);
    if (found === undefined) return list;
    list.push([found.name.toLowerCase(), (found.value ?? "").replaceAll('\\"', '"')]);
    at = found.end;
  }
}

const PERMITS = ["agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding"];
const LIMITING = ["command", "expiry-time", "from", "permitlisten", "permitopen", "principals"];
const GIVING = ["environment", "tunnel"];

/** What a key may do with some options: what is permitted, and what is asked or given beyond the key. */
function effectOf(options: ByteString) {
  const list = optionList(options);
  const permits = new Set(PERMITS);
  const flags = new Set<string>();
  for (const [name] of list) {
    const isOff = name.startsWith("no-");
    const flag = isOff ? name.slice(3) : name;
    if (name === "restrict") permits.clear();
    else if (PERMITS.includes(flag) && !isOff) permits.add(flag);
    else if (isOff && PERMITS.includes(flag)) permits.delete(flag);
    else if (isOff) flags.delete(flag);
    else flags.add(flag);
    if (name === "no-touch-required") permits.add("no-touch");
    else if (name === "touch-required") permits.delete("no-touch");
  }
  // An empty value says something: with `command=""` nothing runs.
  const valuesOf = (wanted: string) => {
    const values = list.flatMap(([name, value]) => (name === wanted ? [value] : []));
    return values.length === 0 ? undefined : values.join("\n");
  };
  return { permits, flags, valuesOf };
}

/** True if a key may certainly do no more with some options than with others. Pure. */
export function allowsNoMore(options: ByteString, than: ByteString): boolean {
  const [one, other] = [effectOf(options), effectOf(than)];
  return (
    one.permits.isSubsetOf(other.permits) &&
    (one.flags.has("verify-required") || !other.flags.has("verify-required")) &&
    one.flags.has("cert-authority") === other.flags.has("cert-authority") &&
    LIMITING.every((name) => [undefined, one.valuesOf(name)].includes(other.valuesOf(name))) &&
    GIVING.every((name) => [undefined, other.valuesOf(name)].includes(one.valuesOf(name)))
  );
}
