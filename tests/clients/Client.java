import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Java's HttpClient: {@code java Client.java 1|2 URL KEY CA DIRECT}. */
class Client {
    static HttpClient client;
    static HttpClient.Version wanted;

    static HttpResponse<byte[]> ask(String url, String key, byte[] body) throws Exception {
        var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body);
        var request = HttpRequest.newBuilder(URI.create(url)).header("Authorization", "Bearer " + key)
            .method(body == null ? "GET" : "POST", publisher).build();
        return client.send(request, BodyHandlers.ofByteArray());
    }

    static void hold(boolean true_, Object what) {
        if (!true_) throw new AssertionError(what);
    }

    static byte[] allowed(String url, String key, byte[] body) throws Exception {
        var answer = ask(url, key, body);
        hold(answer.statusCode() == 200, answer + new String(answer.body()));
        hold(answer.version() == wanted, answer.version());
        return answer.body();
    }

    public static void main(String[] given) throws Exception {
        wanted = given[0].equals("2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        var url = given[1];
        var key = given[2];
        var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        try (var file = new FileInputStream(given[3])) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        client = HttpClient.newBuilder().version(wanted).sslContext(context).build();
        // Without TLS it asks to go over to HTTP/2 in its first request; who does not take that up is spoken to as before.
        if (url.startsWith("http:")) wanted = HttpClient.Version.HTTP_1_1;

        var body = new byte[16 << 20];
        for (int at = 0; at < body.length; at++) body[at] = (byte) at;
        var digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        for (int time = 0; time < 3; time++) hold(new String(allowed(url + "/who", key, null)).contains("\"name\": \"client\""), "who");
        var sum = new String(allowed(url + "/sum", key, body));
        hold(sum.equals("{\"length\": " + body.length + ", \"sha256\": \"" + digest + "\"}"), sum);
        hold(allowed(url + "/zeros?" + body.length, key, null).length == body.length, "zeros");
        var wrong = key.substring(0, key.length() - 1) + (key.endsWith("A") ? "B" : "A");
        var refused = ask(given[4] + "/sum", wrong, body);
        hold(refused.statusCode() == 401 && new String(refused.body()).contains("\"invalid_key\""), refused + new String(refused.body()));
        allowed(given[4] + "/who", key, null);
    }
}
