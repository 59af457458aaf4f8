import java.io.*;
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

/**
 * HttpClient of the JDK: Client CERT KEY CA. A port and a host come on standard input, a line each; every request goes by a
 * connection of its own, and prints "accepted" or "refused" and why. Hosts are those of the file in jdk.net.hosts.file.
 */
public class Client {
    public static void main(String[] arguments) throws Exception {
        SSLContext context = context(Path.of(arguments[0]), Path.of(arguments[1]), Path.of(arguments[2]));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ");
            HttpClient client = HttpClient.newBuilder().sslContext(context).version(HttpClient.Version.HTTP_1_1).build();
            URI uri = URI.create("https://" + words[1] + ":" + words[0] + "/");
            String said = "accepted";
            try {
                client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding());
            } catch (IOException error) {
                said = "refused " + String.valueOf(error.getMessage()).replace('\n', ' ');
            }
            System.out.println(said);
            System.out.flush();
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
        store.setKeyEntry("client", own, new char[0], certificates(factory, cert).toArray(new Certificate[0]));
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
