/** Who makes a package: DEBFULLNAME and DEBEMAIL, as dch(1) reads them; else nobody in particular. */
export function maintainer(): string {
  const name = process.env.DEBFULLNAME || "The jailkit authors";
  const email = process.env.DEBEMAIL || "jailkit@localhost";
  const text = `${name} <${email}>`;
  if (!/^[^<>\n]+ <[^<>\s]+@[^<>\s]+>$/.test(text)) throw new Error(`DEBFULLNAME, DEBEMAIL: ${text}`);
  return text;
}
