import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.*;
import javax.net.ssl.*;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.*;
import org.bouncycastle.est.jcajce.*;
import org.bouncycastle.operator.jcajce.*;
import org.bouncycastle.pkcs.jcajce.*;

/**
 * Bouncy Castle's EST client: HOST:PORT CA. It does what each line of standard input says, and answers by a line: "ok" with what
 * it got, in hexadecimal DER or as object identifiers, "wait" with the milliseconds, or "error" and what went wrong.
 *
 * <p>cacerts; attributes; enroll NAME USER PASSWORD; reenroll NAME new|same, by the last certificate.
 */
public class Enroll {
    static KeyPair pair;
    static Certificate[] chain;

    public static void main(String[] arguments) throws Exception {
        KeyStore trusted = empty();
        try (InputStream file = Files.newInputStream(Path.of(arguments[1]))) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        X509TrustManager judge = (X509TrustManager) trust.getTrustManagers()[0];
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                answer = answer(line.split(" "), arguments[0], judge);
            } catch (Exception error) {
                StringWriter text = new StringWriter();
                for (Throwable one = error; one != null; one = one.getCause()) {
                    text.append(one.toString()).append("; ");
                }
                answer = "error " + text.toString().replaceAll("\\s+", " ");
            }
            System.out.println(answer);
        }
    }

    static String answer(String[] words, String server, X509TrustManager judge) throws Exception {
        JsseESTServiceBuilder builder = new JsseESTServiceBuilder(server, judge).withTimeout(30000).withReadLimit(1 << 20);
        if (words[0].equals("reenroll")) {
            KeyStore own = empty();
            own.setKeyEntry("me", pair.getPrivate(), new char[0], chain);
            KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
            keys.init(own, new char[0]);
            builder.withKeyManagers(keys.getKeyManagers());
        }
        ESTService service = builder.build();
        if (words[0].equals("cacerts")) {
            return "ok" + hex(ESTService.storeToArray(service.getCACerts().getCertificateStore()));
        }
        if (words[0].equals("attributes")) {
            CSRRequestResponse wished = service.getCSRAttributes();
            return wished.hasAttributesResponse() ? "ok " + wished.getAttributesResponse().getRequirements() : "ok";
        }
        boolean renews = words[0].equals("reenroll");
        KeyPair next = renews && words[2].equals("same") ? pair : generate();
        HttpAuth password = renews ? null : new HttpAuth(words[2], words[3].toCharArray());
        EnrollmentResponse enrolled = service.simpleEnroll(
                renews,
                new JcaPKCS10CertificationRequestBuilder(new X500Name("CN=" + words[1]), next.getPublic())
                        .build(new JcaContentSignerBuilder("SHA256withECDSA").build(next.getPrivate())),
                password);
        if (!enrolled.isCompleted()) {
            return "wait " + (enrolled.getNotBefore() - System.currentTimeMillis());
        }
        X509CertificateHolder[] got = ESTService.storeToArray(enrolled.getStore());
        byte[] der = got[0].getEncoded();
        Certificate certificate =
                CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
        if (!certificate.getPublicKey().equals(next.getPublic())) {
            throw new IOException("the certificate is for another key");
        }
        pair = next;
        chain = new Certificate[] {certificate};
        return "ok" + hex(got);
    }

    static KeyPair generate() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair();
    }

    static KeyStore empty() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    static String hex(X509CertificateHolder[] certificates) throws IOException {
        StringBuilder text = new StringBuilder();
        for (X509CertificateHolder one : certificates) {
            text.append(' ').append(HexFormat.of().formatHex(one.getEncoded()));
        }
        return text.toString();
    }
}
