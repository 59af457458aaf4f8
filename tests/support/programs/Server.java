import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import java.util.concurrent.*;
import javax.net.ssl.*;

/** JSSE as a server that requires client certificates and answers 204: Server CERT KEY CA PORT required|optional */
public class Server {
    private static final byte[] ANSWER =
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

    public static void main(String[] arguments) throws Exception {
        SSLContext context = context(Path.of(arguments[0]), Path.of(arguments[1]), Path.of(arguments[2]));
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(Integer.parseInt(arguments[3]), 50, InetAddress.getByName("127.0.0.1"));
        if (arguments[4].equals("required")) {
            listener.setNeedClientAuth(true);
        } else {
            listener.setWantClientAuth(true);
        }
        ExecutorService workers = Executors.newCachedThreadPool();
        while (true) {
            SSLSocket connection = (SSLSocket) listener.accept();
            workers.execute(() -> serve(connection));
        }
    }

    static void serve(SSLSocket connection) {
        try (connection) {
            connection.setTcpNoDelay(true);
            connection.setSoTimeout(20_000);
            BufferedReader request = new BufferedReader(new InputStreamReader(connection.getInputStream()));
            String line = request.readLine();
            while (line != null && !line.isEmpty()) {
                line = request.readLine();
            }
            if (line != null) {
                connection.getOutputStream().write(ANSWER);
            }
        } catch (IOException rejected) {
            // JSSE has sent its alert.
        }
    }

    static SSLContext context(Path cert, Path key, Path ca) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        for (Certificate one : certificates(factory, ca)) {
            trusted.setCertificateEntry("ca" + trusted.size(), one);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        String pem = Files.readString(key).replaceAll("-----[A-Z ]+-----|\\s", "");
        PrivateKey own = KeyFactory.getInstance("EC")
                .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("server", own, new char[0], certificates(factory, cert).toArray(new Certificate[0]));
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
