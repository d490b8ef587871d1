/** A mail server for a test, on 127.0.0.1:25: prints each mail as a line of JSON. */
interface Mail {
  from: string;
  to: string[];
  text: string;
}

const empty = (): Mail => ({ from: "", to: [], text: "" });

Bun.listen<{ rest: string; mail: Mail; inText: boolean }>({
  hostname: "127.0.0.1",
  port: 25,
  socket: {
    open(socket) {
      socket.data = { rest: "", mail: empty(), inText: false };
      socket.write("220 test\r\n");
    },
    data(socket, bytes) {
      const { data } = socket;
      const lines = (data.rest + bytes.toString("latin1")).split("\r\n");
      data.rest = lines.pop() ?? "";
      for (const line of lines) {
        if (data.inText && line !== ".") data.mail.text += `${line}\n`;
        else socket.write(`${answer(data, line)}\r\n`);
      }
    },
  },
});
console.log("ready");

function answer(data: { mail: Mail; inText: boolean }, line: string): string {
  if (data.inText) {
    console.log(JSON.stringify(data.mail));
    Object.assign(data, { inText: false, mail: empty() });
    return "250 taken";
  }
  const [, verb = "", address = ""] = /^(\w+)(?: (?:FROM|TO):<(.*?)>)?/i.exec(line) ?? [];
  if (/mail/i.test(verb)) data.mail.from = address;
  if (/rcpt/i.test(verb)) data.mail.to.push(address);
  data.inText = /data/i.test(verb);
  return data.inText ? "354 go on" : /quit/i.test(verb) ? "221 bye" : "250 test";
}
