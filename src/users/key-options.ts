import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { suggest } from "../cli/suggest.ts";
import { hostText } from "../system/host-files.ts";
import { expiryTime } from "../system/sshd/authorized-keys.ts";

// AUTHORIZED_KEYS FILE FORMAT of sshd(8). One that sshd does not know makes it pass over the line.
const FLAGS = [
  "agent-forwarding",
  "cert-authority",
  "no-agent-forwarding",
  "no-port-forwarding",
  "no-pty",
  "no-touch-required",
  "no-user-rc",
  "no-verify-required",
  "no-x11-forwarding",
  "port-forwarding",
  "pty",
  "restrict",
  "touch-required",
  "user-rc",
  "verify-required",
  "x11-forwarding",
];
const VALUED = [
  "command",
  "environment",
  "expiry-time",
  "from",
  "permitlisten",
  "permitopen",
  "principals",
  "tunnel",
];

/** One option, with the comma behind it: its name, and the value that stands in quotes. */
const OPTION = /([\w-]+)(?:="((?:\\"|[^"\\]|\\(?!"))*)")?(?:,|$)/y;

let services: ReadonlySet<ByteString> | undefined;

/** The names of ports in services(5); read once, for a user's file may have thousands of options. */
function serviceNames(): ReadonlySet<ByteString> {
  const names = (hostText("/etc/services") ?? "").split("\n").flatMap((line) => {
    const [name = "", port = "", ...more] = line.replace(/#.*/, "").trim().split(/\s+/);
    return port.endsWith("/tcp") ? [name, ...more] : [];
  });
  services ??= new Set(names);
  return services;
}

/** Whether a text is a port, by its number or by its name. */
function isPort(text: ByteString): boolean {
  if (/^\d+$/.test(text)) return Number(text) > 0 && Number(text) < 1 << 16;
  return (services ?? serviceNames()).has(text);
}

/** HOST:PORT, the host in brackets where it has colons; `*` for any port. */
function isPlace(value: ByteString): boolean {
  const [, port] = /^(?:\[[^\]]*\]|[^:/[]*)[:/](.*)$/s.exec(value) ?? [];
  return port !== undefined && (port === "*" || isPort(port));
}

// As sshauthopt_parse of OpenSSH checks them: with a value that is none sshd passes over the line.
const CHECKS: Readonly<Record<string, (value: ByteString) => boolean>> = {
  environment: (value) => /^\w+=/.test(value),
  "expiry-time": (value) => expiryTime(value) !== undefined,
  permitlisten: (value) => isPlace(value.includes(":") ? value : `*:${value}`),
  permitopen: isPlace,
  tunnel: (value) => /^(?:any|\d{1,9})(?::(?:any|\d{1,9}))?$/.test(value),
};
const ONCE = ["command", "from", "principals"];

/** Why sshd would not take the values of these options, of which each is known. */
function badValues(options: ByteString): string | undefined {
  const list = optionList(options);
  for (const [name, value] of list)
    if (CHECKS[name]?.(value) === false) return `the option ${quoted(name)} cannot be ${quoted(value)}`;
  const twice = ONCE.find((once) => list.filter(([name]) => name === once).length > 1);
  if (twice !== undefined) return `the option ${quoted(twice)} is there twice`;
  // Without cert-authority it is nobody's.
  const has = (wanted: string) => list.some(([name]) => name === wanted);
  return has("principals") && !has("cert-authority")
    ? "the option 'principals' is for a key with cert-authority"
    : undefined;
}

/** Why sshd would not take an option of that name with such a value. */
function notAnOption(name: ByteString, value: ByteString | undefined): string {
  const word = name.toLowerCase();
  const all = [...FLAGS, ...VALUED];
  if (all.includes(word)) {
    return `the option ${quoted(word)} is written ${value === undefined ? `${word}="..."` : `${word} alone`}`;
  }
  const near = suggest(name, all);
  return `${quoted(name)} is no option of sshd${near === undefined ? "" : `; did you mean ${quoted(near)}?`}`;
}

/** Why sshd would not take these options; undefined where it would. Where not `exact`, one may be missing between commas. */
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

/** The options of a KeyLine, names in lower case; what has no value has "". Quotes are gone. */
export function keyOptions(options: ByteString): ReadonlyMap<string, ByteString> {
  return new Map(optionList(options));
}

/** The values of an option that may come several times (`environment`), in their order. Pure. */
export function optionValues(options: ByteString, wanted: string): ByteString[] {
  return optionList(options).flatMap(([name, value]) => (name === wanted ? [value] : []));
}

function optionList(options: ByteString): [string, ByteString][] {
  return [...options.matchAll(new RegExp(`,*${OPTION.source}`, "gy"))].map(([, name = "", value = ""]) => [
    name.toLowerCase(),
    value.replaceAll('\\"', '"'),
  ]);
}
