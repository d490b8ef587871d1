import type { ByteString } from "../../ffi/bytes.ts";
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

/** One option with its comma: the name, and the value in quotes. */
const OPTION = /([\w-]+)(?:="((?:\\"|[^"\\]|\\(?!"))*)")?(?:,|$)/y;

/** The names of ports in services(5). */
function serviceNames(): ByteString[] {
  return (hostText("/etc/services") ?? "").split("\n").flatMap((line) => {
    const [name = "", port = "", ...more] = line.replace(/#.*/, "").trim().split(/\s+/);
    return port.endsWith("/tcp") ? [name, ...more] : [];
  });
}

// Read once, because a user's file may have thousands of options.
let services: ReadonlySet<ByteString> | undefined;

/** True for a port, by number or name. */
function isPort(text: ByteString): boolean {
  if (/^\d+$/.test(text)) return Number(text) > 0 && Number(text) < 1 << 16;
  services ??= new Set(serviceNames());
  return services.has(text);
}

/** True for HOST:PORT, with the host in brackets if it has colons; `*` is any port. */
function isPlace(value: ByteString): boolean {
  const [, port] = /^(?:\[[^\]]*\]|[^:/[]*)[:/](.*)$/s.exec(value) ?? [];
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
  tunnel: (value) => /^(?:any|\d{1,9})(?::(?:any|\d{1,9}))?$/.test(value),
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

/** Why sshd would reject an option of that name with such a value. */
function notAnOption(name: ByteString, value: ByteString | undefined): string {
  const word = name.toLowerCase();
  const all = [...FLAGS, ...VALUED];
  if (all.includes(word))
    return `the option ${quoted(word)} is written ${value === undefined ? `${word}="..."` : `${word} alone`}`;
  return `${quoted(name)} is not an option of sshd${didYouMean(name, all)}`;
}

/** Why sshd would reject these options; undefined if it would not. Unless `exact`, an option may be missing between commas. */
export function badOptions(options: ByteString, exact: boolean): string | undefined {
  for (let at = 0; ; ) {
    while (!exact && options.charAt(at) === ",") at++;
    if (!exact && at === options.length) return badValues(options);
    OPTION.lastIndex = at;
    const [whole = "", name = "", value] = OPTION.exec(options) ?? [];
    const word = name.toLowerCase();
    const known = value === undefined ? FLAGS : VALUED;
    if (!known.includes(word)) return notAnOption(name || options.slice(at, at + 40), value);
    at += whole.length;
    if (at === options.length)
      return exact && whole.endsWith(",") ? "an option is missing after the last comma" : badValues(options);
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
  return [...options.matchAll(new RegExp(`,*${OPTION.source}`, "gy"))].map(([, name = "", value = ""]) => [
    name.toLowerCase(),
    value.replaceAll('\\"', '"'),
  ]);
}
