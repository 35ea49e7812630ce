// JsSIP as a softphone: it registers, takes every call, and does what it is told by its input. The media that a browser would have
// is a stand-in: plain RTP with a tone.
'use strict';
const [url, user, password, rtpPort] = process.argv.slice(2);
const dgram = require('dgram');
const readline = require('readline');

const say = (...words) => console.log(words.join(' '));

// µ-law of a tone of 1000 Hz, which has eight samples.
const ulaw = (sample) => {
  const sign = sample < 0 ? 0 : 0x80;
  const size = Math.min(Math.abs(sample), 32635) + 132;
  const exponent = 31 - Math.clz32(size) - 7;
  return ~((sign ^ 0x80) | (exponent << 4) | ((size >> (exponent + 3)) & 15)) & 0xff;
};
const octet = (_, at) => ulaw(Math.round(8000 * Math.sin((2 * Math.PI * at) / 8)));
const tone = Buffer.from(Array.from({ length: 160 }, octet));

class Connection {
  constructor() {
    this.iceConnectionState = 'connected';
    this.iceGatheringState = 'complete';
    this.signalingState = 'stable';
    this.localDescription = null;
    this.socket = dgram.createSocket('udp4');
    this.heard = 0;
    this.socket.on('message', () => (this.heard += 1) === 25 && say('hears'));
    this.socket.bind(Number(rtpPort), '127.0.0.1');
  }

  addEventListener() {}
  removeEventListener() {}
  addTrack() {}
  getSenders() { return []; }
  getReceivers() { return []; }

  async setRemoteDescription({ type, sdp }) {
    this.signalingState = type === 'offer' ? 'have-remote-offer' : 'stable';
    const [, host] = /^c=IN IP4 (\S+)/m.exec(sdp);
    const [, port] = /^m=audio (\d+)/m.exec(sdp);
    clearInterval(this.sending);
    let number = 0;
    this.sending = setInterval(() => {
      const head = Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
      head.writeUInt16BE(number, 2);
      head.writeUInt32BE(number * 160, 4);
      number += 1;
      this.socket.send(Buffer.concat([head, tone]), Number(port), host);
    }, 20);
  }

  async createAnswer() {
    const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${rtpPort} RTP/AVP 0\r\n`;
    return { type: 'answer', sdp };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = 'stable';
  }

  close() {
    clearInterval(this.sending);
    this.signalingState = 'closed';
    this.socket.close();
  }
}

global.WebSocket = require('ws');
global.RTCPeerConnection = Connection;
global.window = global;
global.RTCSessionDescription = function description(of) { return of; };
const JsSIP = require('jssip');
const socket = new JsSIP.WebSocketInterface(url);
const phone = new JsSIP.UA({ sockets: [socket], uri: `sip:${user}@127.0.0.1`, password, session_timers: true });
let call = null;
phone.on('disconnected', ({ reason }) => say('disconnected:', reason));
phone.on('registered', () => say('registered'));
phone.on('registrationFailed', ({ cause }) => say('not registered:', cause));
phone.on('newRTCSession', ({ session }) => {
  call = session;
  say('rings');
  session.on('confirmed', () => say('talks'));
  session.on('ended', ({ originator, cause }) => say('ended by', originator, cause));
  session.on('failed', ({ cause }) => say('failed:', cause));
  session.answer({ mediaConstraints: { audio: false, video: false } });
});
readline.createInterface({ input: process.stdin }).on('line', (order) => {
  if (order === 'hang up') call.terminate();
  if (order === 'unregister') phone.stop();
}).on('close', () => process.exit(0));
phone.start();
