/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page_texts.c
 * The texts of the pages in English. A page has a title, what happened, and what the
 * person can do. {1} and {2} are the arguments that the comment above a label names.
 */
#include "page_texts.h"

#include <string.h>

#include <apr_strings.h>

const char ab_page_language[] = "en";

#define PAGE(title, what, todo) title "\0" what "\0" todo

/* ---- by status ---------------------------------------------------------- */

#define PAGE_BAD_REQUEST PAGE( \
    "This request cannot be understood", \
    "The browser sent something that this site did not expect.", \
    "Go back and try again.")
#define PAGE_NOT_SIGNED_IN PAGE( \
    "You are not signed in", \
    "This page is only for people who are signed in.", \
    "Sign in and try again.")
/* for users who sent a form and want to know its outcome */
#define PAGE_NOT_KEPT PAGE( \
    "You are not signed in", \
    "Your session has ended, so the data that you sent was not accepted.", \
    "Sign in using another tab, then return to this one and send the data again.")
#define PAGE_NO_ACCESS PAGE( \
    "You do not have access to this page", \
    "You are signed in, but this page is not for your account.", \
    "Ask the people who run this site for access, or sign in with another account.")
#define PAGE_MISDIRECTED PAGE( \
    "This site has another address", \
    "You cannot sign in at the address that your browser shows.", \
    "Use the usual address of this site. If you did, tell the people who run it.")
#define PAGE_THROTTLED PAGE( \
    "Too many attempts", \
    "Your network made too many failed attempts within a short time.", \
    "Please wait a minute and try again.")
#define PAGE_SESSION_LIMIT PAGE( \
    "The sign-in service is busy", \
    "It accepts no further request at the moment, so this site cannot check your sign-in.", \
    "Please wait a minute and try again.")
#define PAGE_FAULT PAGE( \
    "This site is not set up correctly", \
    "It cannot answer this request.", \
    "Tell the people who run this site.")
#define PAGE_UNAVAILABLE PAGE( \
    "Please try again", \
    "A service that this site needs is not responding.", \
    "Please try again in a moment.")

/* ---- requests and sessions ---------------------------------------------- */

#define PAGE_SIGNATURE_REMOVED PAGE( \
    "This request cannot be verified", \
    "Google Cloud Run has used the token in Authorization and removed its signature " \
    "(SIGNATURE_REMOVED_BY_GOOGLE).", \
    "Send the token for Cloud Run in X-Serverless-Authorization, and the token for this " \
    "site in Authorization.")
#define PAGE_CROSS_SITE PAGE( \
    "This request came from another site", \
    "To protect you, this site does not let other sites change anything in your name.", \
    "To make the change, go to this site.")
#define PAGE_STRONGER PAGE( \
    "A stronger sign-in is needed", \
    "You are signed in, but this page requires a newer or stronger sign-in.", \
    "Open the page in your browser and sign in again when asked.")
#define PAGE_STRONGER_ELSEWHERE PAGE( \
    "A stronger sign-in is needed", \
    "You are signed in, but this site requires more, such as a second step with a code or " \
    "a security key.", \
    "Complete your sign-in with the sign-in service and try again.")
#define PAGE_USER PAGE( \
    "Your account cannot be used here", \
    "You are signed in, but your account lacks information that this site needs.", \
    "Ask the people who run this site, or use another account.")
#define PAGE_EMAIL PAGE( \
    "Your e-mail address is not verified", \
    "This site knows people by their e-mail address, and the sign-in service has not " \
    "verified yours.", \
    "Verify it with the sign-in service and try again, or use another account.")
#define PAGE_SESSION_STORE PAGE( \
    "Your session is unavailable", \
    "This site cannot reach its session cache.", \
    "Please try again in a moment. You do not need to sign in again.")
#define PAGE_SESSION_SIZE PAGE( \
    "Your session is too large", \
    "The sign-in service sent more information about you than this site can keep.", \
    "Tell the people who run this site.")

/* ---- logins ------------------------------------------------------------- */

#define PAGE_COOKIES PAGE( \
    "Your browser sent no cookies", \
    "Signing in needs them. The browser does not accept cookies of this site, or the sign-in " \
    "was started in another browser or more than half an hour ago.", \
    "Allow cookies for this site and sign in again.")
/* links to the issuers follow */
#define PAGE_CHOICE PAGE( \
    "Choose how to sign in", \
    "You can sign in with one of these services:", \
    "")
#define PAGE_LOGIN_STATE PAGE( \
    "This sign-in cannot be completed", \
    "It was started too long ago or in another browser, or it is already complete.", \
    "Go back to the page that you wanted and sign in again.")
#define PAGE_LOGIN_EXPIRED PAGE( \
    "This sign-in took too long", \
    "It was started more than half an hour ago.", \
    "Sign in again.")
#define PAGE_LOGIN_RESPONSE PAGE( \
    "This sign-in cannot be completed", \
    "What your browser brought back does not belong to a sign-in that was started here.", \
    "Go back to the page that you wanted and sign in again.")
#define PAGE_LOGIN_ENDED PAGE( \
    "This sign-in cannot be completed", \
    "You were signed out of the sign-in service in the meantime.", \
    "Sign in again.")
#define PAGE_LOGIN_LOOP PAGE( \
    "Signing in does not last", \
    "You have signed in several times, but each time this site did not recognize you " \
    "afterwards.", \
    "Allow cookies for this site and try again. If that does not help, tell the people who " \
    "run this site.")
#define PAGE_LOGIN_ISSUER PAGE( \
    "The sign-in service cannot be reached", \
    "This site got no response from it that it can use.", \
    "Please try again in a moment.")
#define PAGE_LOGIN_WAIT PAGE( \
    "Signing in takes a little longer", \
    "Too many requests of this site are waiting for the sign-in service.", \
    "This page tries again in 2 seconds.")
#define PAGE_LOGIN_LIMIT PAGE( \
    "Many people are signing in", \
    "This site limits the number of sign-ins at a time, and the limit is reached.", \
    "Please try again in a moment.")

/* ---- what the sign-in service says -------------------------------------- */

#define PAGE_LOGIN_DENIED PAGE( \
    "You were not signed in", \
    "The sign-in was cancelled, or the sign-in service did not allow it.", \
    "Try again, use another account, or ask the people who run this site for access.")
#define PAGE_LOGIN_SILENT PAGE( \
    "You were not signed in", \
    "The sign-in service needs an answer from you, but was told not to ask.", \
    "Choose your account, or tell the people who run this site.")
#define PAGE_LOGIN_WEAK PAGE( \
    "A stronger sign-in is needed", \
    "This page requires a newer or stronger sign-in than the sign-in service gave you.", \
    "Sign in again, e.g. with a second step. If that does not help, tell the people who run " \
    "this site.")
#define PAGE_LOGIN_TROUBLE PAGE( \
    "The sign-in service has a problem", \
    "It cannot sign you in at the moment.", \
    "Please try again in a moment.")
#define PAGE_LOGIN_CLIENT PAGE( \
    "The sign-in service does not accept this site", \
    "This site's registration or its password with the sign-in service is wrong.", \
    "Trying again does not help. Tell the people who run this site.")
#define PAGE_LOGIN_PROOF PAGE( \
    "The sign-in service requires DPoP", \
    "It binds what it gives to a key, which this site cannot use.", \
    "Trying again does not help. Tell the people who run this site.")
#define PAGE_LOGIN_REFUSED PAGE( \
    "The sign-in service refused this site's request", \
    "This site and the service that signs you in are not set up for each other.", \
    "Trying again does not help. Tell the people who run this site.")
#define PAGE_LOGIN_ERROR PAGE( \
    "The sign-in service reported an error", \
    "It did not sign you in, for a reason that this site does not know.", \
    "Try again. If that does not help, tell the people who run this site.")
#define PAGE_LOGIN_UNUSABLE PAGE( \
    "The sign-in service's response cannot be used", \
    "It lacks what this site needs to sign you in.", \
    "Trying again does not help. Tell the people who run this site.")

/* ---- what the ID token says --------------------------------------------- */

#define PAGE_LOGIN_TOKEN PAGE( \
    "Your sign-in cannot be verified", \
    "This site does not accept the sign-in service's statement of who you are.", \
    "Trying again does not help. Tell the people who run this site.")
#define PAGE_LOGIN_CLOCK PAGE( \
    "Your sign-in cannot be verified", \
    "The clocks of this site and of the sign-in service differ.", \
    "Tell the people who run this site.")
#define PAGE_LOGIN_TENANT PAGE( \
    "Your organization cannot sign in here", \
    "You are signed in, but this site does not accept accounts of your organization.", \
    "Use another account, or ask the people who run this site for access.")

/* ---- sign-out ----------------------------------------------------------- */

#define PAGE_SIGN_OUT PAGE( \
    "Sign out?", \
    "Do you want to sign out of this site?", \
    "")
#define PAGE_SIGNED_OUT PAGE( \
    "You are signed out", \
    "Close the browser if others also use this computer.", \
    "")

/* ---- labels ------------------------------------------------------------- */

/* {1}: the title of the page; {2}: the name of the site */
#define LABEL_TITLE "{1} - {2}"
/* {1}: the error code of the sign-in service */
#define LABEL_ANSWER "Its answer was {1}."
/* {1}: the reference */
#define LABEL_REFERENCE "Reference for the people who run this site: {1}"
#define LABEL_TRY_AGAIN "Try again"
#define LABEL_SIGN_IN "Sign in"
#define LABEL_ACCOUNT "Use another account"
#define LABEL_SIGN_OUT "Sign out"
#define LABEL_STAY "Stay signed in"
#define LABEL_START "Go to the start page"

/* Side by side without pointers, which would need more room than they save. */
static const struct {
#define X(symbol, next) char page_##symbol[sizeof(PAGE_##symbol)];
    AB_PAGES(X)
#undef X
#define X(symbol) char label_##symbol[sizeof(LABEL_##symbol)];
    AB_LABELS(X)
#undef X
} texts = {
#define X(symbol, next) PAGE_##symbol,
    AB_PAGES(X)
#undef X
#define X(symbol) LABEL_##symbol,
    AB_LABELS(X)
#undef X
};

static const char *text_at(unsigned n)
{
    const char *text = (const char *)&texts;

    for (; n; n--) {
        text += strlen(text) + 1;
    }
    return text;
}

ab_text_t ab_page_text(ab_page_t page)
{
    ab_text_t text;

    text.title = text_at(3 * (unsigned)page);
    text.what = text.title + strlen(text.title) + 1;
    text.todo = text.what + strlen(text.what) + 1;
    return text;
}

const char *ab_page_label(ab_label_t label)
{
    return text_at(3 * AB_PAGE_COUNT + (unsigned)label);
}

const char *ab_page_fill(const char *text, const char *one, const char *two, apr_pool_t *p)
{
    const char *at = strchr(text, '{');

    return !at ? text
        : apr_pstrcat(p, apr_pstrmemdup(p, text, (apr_size_t)(at - text)),
                      at[1] == '1' ? one : two, ab_page_fill(at + 3, one, two, p), NULL);
}
