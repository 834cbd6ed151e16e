// Licensed under the Apache License, Version 2.0; see LICENSE.
package real;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.core.env.Environment;
import org.springframework.http.MediaType;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.crypto.factory.PasswordEncoderFactories;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.config.annotation.web.configurers.OAuth2AuthorizationServerConfigurer;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.OAuth2TokenFormat;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenClaimsContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.LoginUrlAuthenticationEntryPoint;
import org.springframework.security.web.util.matcher.MediaTypeRequestMatcher;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** Spring Authorization Server as its guide sets it up, with the clients of the tests. */
@SpringBootApplication
@RestController
public class Server {
    /** The first one signs. */
    private final CopyOnWriteArrayList<JWK> keys = new CopyOnWriteArrayList<>();

    public static void main(String[] args) throws Exception {
        SpringApplication.run(Server.class, args);
    }

    @PostMapping("/rotate")
    public void rotate() throws JOSEException {
        keys.add(0, new RSAKeyGenerator(2048).keyID(UUID.randomUUID().toString()).generate());
    }

    @Bean
    JWKSource<SecurityContext> jwkSource() throws JOSEException {
        rotate();
        return (selector, context) -> selector.select(new JWKSet(List.copyOf(keys)));
    }

    /** The encoder refuses to choose between two keys: the header names the first. */
    @Bean
    OAuth2TokenCustomizer<JwtEncodingContext> tokens(Environment env) {
        return context -> {
            context.getJwsHeader().keyId(keys.get(0).getKeyID());
            if (OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())
                    && !context.getRegisteredClient().getClientId().equals("stranger")) {
                context.getClaims().audience(List.of(env.getProperty("audience")));
            }
        };
    }

    @Bean
    OAuth2TokenCustomizer<OAuth2TokenClaimsContext> opaqueTokens(Environment env) {
        return context -> context.getClaims().audience(List.of(env.getProperty("audience")));
    }

    @Bean
    @Order(1)
    SecurityFilterChain authorizationServer(HttpSecurity http) throws Exception {
        var server = OAuth2AuthorizationServerConfigurer.authorizationServer();
        http.securityMatcher(server.getEndpointsMatcher())
                .with(server, s -> s.oidc(Customizer.withDefaults()))
                .authorizeHttpRequests(a -> a.anyRequest().authenticated())
                .exceptionHandling(e -> e.defaultAuthenticationEntryPointFor(
                        new LoginUrlAuthenticationEntryPoint("/login"),
                        new MediaTypeRequestMatcher(MediaType.TEXT_HTML)));
        return http.build();
    }

    @Bean
    @Order(2)
    SecurityFilterChain pages(HttpSecurity http) throws Exception {
        http.authorizeHttpRequests(a -> a.requestMatchers("/rotate").permitAll()
                        .anyRequest().authenticated())
                .csrf(c -> c.ignoringRequestMatchers("/rotate"))
                .formLogin(Customizer.withDefaults());
        return http.build();
    }

    @Bean
    UserDetailsService users(Environment env) {
        return new InMemoryUserDetailsManager(User.withUsername(env.getProperty("person"))
                .password("{noop}" + env.getProperty("password")).roles("USER").build());
    }

    private static RegisteredClient.Builder client(Environment env, String name) {
        return RegisteredClient.withId(name).clientId(name)
                .clientSecret(PasswordEncoderFactories.createDelegatingPasswordEncoder()
                        .encode(env.getProperty("secret")))
                .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC);
    }

    private static RegisteredClient machine(Environment env, String name, OAuth2TokenFormat format) {
        return client(env, name)
                .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
                .scope("orders.read")
                .tokenSettings(TokenSettings.builder().accessTokenFormat(format).build()).build();
    }

    @Bean
    RegisteredClientRepository clients(Environment env) {
        var web = client(env, "web")
                .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
                .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN)
                .redirectUri(env.getProperty("site") + "/.auth/callback")
                .redirectUri(env.getProperty("application"))
                .postLogoutRedirectUri(env.getProperty("site") + "/.auth/logout")
                .scope("openid").scope("profile")
                .clientSettings(ClientSettings.builder().requireProofKey(true).build())
                .tokenSettings(TokenSettings.builder().reuseRefreshTokens(false)
                        .accessTokenTimeToLive(Duration.ofSeconds(
                                Long.parseLong(env.getProperty("lifetime")))).build())
                .build();
        return new InMemoryRegisteredClientRepository(web,
                machine(env, "batch", OAuth2TokenFormat.SELF_CONTAINED),
                machine(env, "opaque", OAuth2TokenFormat.REFERENCE),
                machine(env, "stranger", OAuth2TokenFormat.SELF_CONTAINED));
    }

    @Bean
    AuthorizationServerSettings settings(Environment env) {
        return AuthorizationServerSettings.builder().issuer(env.getProperty("issuer")).build();
    }
}
