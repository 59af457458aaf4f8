import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

/**
 * JSSE as server and as client, with what `python -m pytest_mtls mint` wrote: the trust, the CRLs, a good identity.
 * Commands come on standard input, a line each; every handshake prints "accepted" or "refused" and why.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        SSLContext server = context(directory, "server"), client = context(directory, "client");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            String[] words = line.split(" ");
            if (words[0].equals("serve")) {
                serve(server, Integer.parseInt(words[1]));
            } else {
                say(() -> connect(client, Integer.parseInt(words[1]), words[2]));
            }
        }
    }

    /** Judges that many clients, one after the other. */
    static void serve(SSLContext context, int clients) throws IOException {
        try (SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            listener.setNeedClientAuth(true);
            print("port " + listener.getLocalPort());
            for (int number = 0; number < clients; number++) {
                try (SSLSocket socket = (SSLSocket) listener.accept()) {
                    socket.setSoTimeout(5000);
                    say(() -> {
                        socket.startHandshake();
                        socket.getOutputStream().write('!');
                    });
                } catch (IOException gone) {
                    // The close of a connection that is over already.
                }
            }
        }
    }

    static void connect(SSLContext context, int port, String host) throws IOException {
        Socket plain = new Socket(InetAddress.getLoopbackAddress(), port);
        plain.setSoTimeout(5000);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, host, port, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
        }
    }

    interface Handshake {
        void run() throws IOException;
    }

    static void say(Handshake handshake) {
        try {
            handshake.run();
            print("accepted");
        } catch (Exception error) {
            StringBuilder why = new StringBuilder();
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                why.append(" / ").append(cause.getMessage());
            }
            print("refused " + why.substring(3).replace('\n', ' '));
        }
    }

    static void print(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static SSLContext context(Path directory, String name) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = (X509Certificate) certificates(factory, directory.resolve("ca.crt")).iterator().next();
        Collection<? extends CRL> crls;
        try (InputStream file = Files.newInputStream(directory.resolve("ca.crl.pem"))) {
            crls = factory.generateCRLs(file);
        }
        PKIXBuilderParameters rules =
                new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), new X509CertSelector());
        rules.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
        rules.setRevocationEnabled(true);
        rules.setMaxPathLength(20);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(new CertPathTrustManagerParameters(rules));

        Certificate[] chain = certificates(factory, directory.resolve(name + ".crt")).toArray(new Certificate[0]);
        String pem = Files.readString(directory.resolve(name + ".key")).replaceAll("-----[A-Z ]+-----|\\s", "");
        PrivateKey key = KeyFactory.getInstance("EC")
                .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry(name, key, new char[0], chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(store, new char[0]);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    static Collection<? extends Certificate> certificates(CertificateFactory factory, Path path) throws Exception {
        try (InputStream file = Files.newInputStream(path)) {
            return factory.generateCertificates(file);
        }
    }
}
