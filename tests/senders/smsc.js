// A carrier, of node-smpp: takes messages from whoever binds with the right password, tells of each on standard
// output as a line of JSON, and sends a receipt for it. A number's end says what becomes of a message:
// 11 is refused, 22 is throttled once and then taken, 33 fails later, 44 has no receipt.
const smpp = require('smpp');
let names = 0;
let throttled = false;
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

const server = smpp.createServer({}, (session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'bank' && pdu.password === process.argv[2];
    say({ bind: pdu.system_id, version: pdu.interface_version, known });
    session.send(pdu.response({ command_status: known ? 0 : smpp.ESME_RINVPASWD }));
    if (!known) session.close();
  });
  session.on('enquire_link', (pdu) => { say({ enquired: true }); session.send(pdu.response()); });
  session.on('unbind', (pdu) => { say({ unbind: true }); session.send(pdu.response()); session.close(); });
  session.on('deliver_sm_resp', (pdu) => say({ receipted: pdu.command_status }));
  session.on('submit_sm', (pdu) => {
    const to = pdu.destination_addr;
    if (to.endsWith('11')) return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    if (to.endsWith('22') && !throttled) {
      throttled = true;
      return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    }
    names += 1;
    const id = `m${names}`;
    const message = pdu.short_message;
    say({
      id, to, from: pdu.source_addr, ton: [pdu.source_addr_ton, pdu.dest_addr_ton], coding: pdu.data_coding,
      text: message.message, udh: message.udh ? message.udh.map((part) => part.toString('hex')) : null,
      receipt: pdu.registered_delivery, validity: String(pdu.validity_period),
    });
    session.send(pdu.response({ message_id: id }));
    if (to.endsWith('44')) return;
    const state = to.endsWith('33') ? 'UNDELIV err:069' : 'DELIVRD err:000';
    session.deliver_sm({
      source_addr: to, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011200 stat:${state} text:`,
    });
  });
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
