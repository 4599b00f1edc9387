"""A milter in a thread: it adds a field, refuses by the Subject or the address, and notes what it was told."""
import socket, struct, threading


class Milter(threading.Thread):
    MUTE = 0xdf080              # steps: nothing is answered but the end of a message

    def __init__(self, path=None, steps=0, actions=0x21):
        super().__init__(daemon=True)
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.create_server(('127.0.0.1', 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(64)
        self.steps, self.actions = steps, actions
        self.seen = []          # (command, data)
        self.connections = 0
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    @staticmethod
    def read(f, n):
        data = f.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def serve(self, c):
        subject, body = b'', b''
        with c, c.makefile('rb') as f:
            def send(command, data=b''):
                c.sendall(struct.pack('>I', len(data) + 1) + command + data)
            try:
                while True:
                    length, = struct.unpack('>I', self.read(f, 4))
                    packet = self.read(f, length)
                    command, data = packet[:1], packet[1:]
                    if command in b'DA':
                        continue
                    if command == b'Q':
                        return
                    self.seen.append((command.decode(), data))
                    if command == b'O':
                        send(b'O', struct.pack('>III', 6, self.actions, self.steps))
                        continue
                    if command == b'M':
                        subject, body = b'', b''
                    if command == b'L' and data.startswith(b'Subject\0'):
                        subject = data[8:-1]
                    if command == b'B':
                        body += data
                    if self.steps == Milter.MUTE and command != b'E':
                        continue
                    if command == b'R' and data.startswith(b'<refused@'):
                        send(b'y', b'550 5.1.1 not this one\0')
                    elif command != b'E':
                        send(b'c')
                    elif subject == b'spam':
                        send(b'y', b'554 5.7.1 spam\0')
                    elif subject == b'later':
                        send(b't')
                    elif subject == b'odd':
                        send(b'q', b'looks odd\0')
                        send(b'c')
                    elif subject == b'die':
                        return
                    else:
                        send(b'h', b'X-Looked-At\0yes, %d octets\0' % len(body))
                        send(b'c')
            except (EOFError, OSError):
                pass
