#!/usr/bin/env bash
# What Leasehold needs in Microsoft Entra ID: the API application that callers ask tokens for, the broker's permissions in
# Microsoft Graph, and the first administrator. Every command may be repeated. Takes the Azure CLI, signed in.

set -euo pipefail
# Without it, a failure within $(...) goes unnoticed.
shopt -s inherit_errexit

readonly GRAPH_APP_ID='00000003-0000-0000-c000-000000000000'
# As which Event Grid calls, by cloud: https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery
readonly EVENT_GRID_APP_ID='4962773b-9cdb-44cf-a8bf-237846a00ab7'
readonly EVENT_GRID_APP_ID_GOVERNMENT='54316b56-3481-47f9-8f30-0300f5542a7b'
readonly WEBHOOK_ROLE='AzureEventGridSecureWebhookSubscriber'

# What else Entra ID is told stands in files beside this one: application.json, graph-permissions.txt.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

unique_name='leasehold-api'
made_something=no
making_principal=no
accept_settings=no

usage() {
  cat <<'END'
usage: entra.sh application [--unique-name NAME] [--owner OBJECT_ID]... [--accept-its-owners-and-credentials]
                            [--accept-its-settings]
           registers the API application with the app roles Leasehold.Admin and Leasehold.Auditor, and its service principal;
           one that is there already is refused if anybody but you and the owners named here can act as it, or if it has
           settings that this script does not make and that let others get tokens through it, unless told so
       entra.sh permissions --broker OBJECT_ID [--groups] [--caller-groups] [--graph-app-roles]
           gives the broker's identity its permissions in Microsoft Graph; --groups for roles that use azure_groups;
           --caller-groups for bound_group_ids, if callers are in more groups than their tokens can name;
           --graph-app-roles for roles that use graph_app_roles: gives AppRoleAssignment.ReadWrite.All, with which whoever
           takes over the broker can give itself every permission in the tenant
       entra.sh assign --principal OBJECT_ID [--role ROLE] [--unique-name NAME]
           gives somebody (a user, a group or a service principal, by object id) an app role of the broker: Leasehold.Admin, unless
           ROLE is Leasehold.Auditor or AzureEventGridSecureWebhookSubscriber
       entra.sh assign --event-grid [--event-grid-app-id GUID] [--unique-name NAME]
           gives AzureEventGridSecureWebhookSubscriber to Event Grid's own application, so that it may publish over HTTP; whoever
           subscribes the broker to a topic needs this role as well
END
}

fail() {
  printf 'entra.sh: %s\n' "$*" >&2
  exit 1
}

# graph METHOD PATH [arguments of `az rest`]...
graph() {
  local method=$1 path=$2
  shift 2
  az rest --only-show-errors --output tsv --method "$method" --url "${GRAPH}/v1.0/${path}" "$@"
}

# Whether what `az` wrote on its error stream is an answer that may be another one before long: by HTTP status. What is refused for
# good is told at once. A 400 can mean that another replica does not know yet what was made just now, and so can, for a moment, a
# 403 to whoever makes the service principal of an application made just now.
may_pass() {
  case $1 in
    *'ERROR: Not Found('* | *'ERROR: Conflict('* | *'ERROR: Too Many Requests('*) return 0 ;;
    *'ERROR: Internal Server Error('* | *'ERROR: Bad Gateway('* | *'ERROR: Service Unavailable('* | *'ERROR: Gateway Timeout('*) return 0 ;;
    *'ERROR: Bad Request('*) [ "$made_something" = yes ] ;;
    *'ERROR: Forbidden('*) [ "$making_principal" = yes ] && [ "$attempt" -le 2 ] ;;
    *) return 1 ;;
  esac
}

# The directory's replicas are seconds behind one another: what was made just now may be unknown to one, though another has
# just told of it. Prints what the command prints when it succeeds.
eventually() {
  local attempt output errors
  errors=$(mktemp)
  for attempt in 1 2 3 4 5 6 7; do
    if output=$("$@" 2>"$errors"); then
      rm -f "$errors"
      printf '%s' "$output"
      return 0
    fi
    if [ "$attempt" = 7 ] || ! may_pass "$(cat "$errors")"; then
      break
    fi
    sleep $((attempt * 2))
  done
  cat "$errors" >&2
  rm -f "$errors"
  return 1
}

# The value that a query finds, empty when it finds none (`az` may print None).
find_value() {
  local path=$1 query=$2 found
  found=$(eventually graph get "$path" --query "$query")
  [ "$found" = None ] || printf '%s' "$found"
}

# All that there is at a path, as JSON.
document() {
  eventually graph get "$1" --output json
}

upsert() {
  graph patch "$1" --headers 'Content-Type=application/json' 'Prefer=create-if-missing' --body "$2" >/dev/null
}

change() {
  graph patch "$1" --headers 'Content-Type=application/json' --body "$2" >/dev/null
}

# Whether there is something at a path; fails when that cannot be told.
exists() {
  local path=$1 errors
  if errors=$(graph get "$path" 2>&1 >/dev/null); then
    return 0
  fi
  case $errors in
    *'ERROR: Not Found('*) return 1 ;;
    *) fail "$errors" ;;
  esac
}

# The object id of whoever is signed in; empty when `az` does not tell (a managed identity).
own_id() {
  local type name
  type=$(az account show --query user.type --output tsv)
  name=$(az account show --query user.name --output tsv)
  if [ "$type" = user ]; then
    graph get me --query id
  elif [[ $name =~ ^[0-9a-fA-F-]{36}$ ]]; then
    graph get "servicePrincipals(appId='${name}')?\$select=id" --query id
  fi
}

# An application can be waiting under our name: whoever owns it, or holds a credential of it, could give itself app roles, or
# sign in as it.
refuse_strangers() {
  local app_id=$1 object_id=$2 found
  shift 2
  found=$({
    document "applications/${object_id}"
    document "applications/${object_id}/owners?\$select=id,displayName"
    document "applications/${object_id}/federatedIdentityCredentials"
    if exists "servicePrincipals(appId='${app_id}')"; then
      document "servicePrincipals(appId='${app_id}')"
      document "servicePrincipals(appId='${app_id}')/owners?\$select=id,displayName"
    fi
  } | python3 "${here}/application.py" strangers "$@" "$(own_id)")
  [ -z "$found" ] || fail "there is an application '${unique_name}' (client id ${app_id}), and others can act as it:
${found}
Remove them, name owners that are meant with --owner, or say --accept-its-owners-and-credentials."
}

# It can also send tokens to an address of theirs, or have app roles and scopes of our names that were made by them.
refuse_settings() {
  local app_id=$1 object_id=$2 found
  found=$(document "applications/${object_id}" | python3 "${here}/application.py" settings)
  [ -z "$found" ] || fail "there is an application '${unique_name}' (client id ${app_id}) with what this script does not make:
${found}
Take it away, or say --accept-its-settings."
}

# An application that was there may let in whom nobody knows: they are named, each time, and whoever reads it decides.
tell_whom_it_trusts() {
  local object_id=$1 principal_id=$2 holders found
  if ! holders=$(document "servicePrincipals/${principal_id}/appRoleAssignedTo?\$top=999"); then
    printf 'entra.sh: the application stands, but who holds its app roles could not be read: have somebody look who may\n' >&2
    holders='{"value":[]}'
  fi
  found=$({
    document "applications/${object_id}"
    printf '%s' "$holders"
  } | python3 "${here}/application.py" trusted)
  [ -z "$found" ] || printf 'entra.sh: the application lets these in; take away what is not meant:\n%s\n' "$found" >&2
}

# application ACCEPT [OWNER]...
application() {
  local accept=$1 path="applications(uniqueName='${unique_name}')" app_id object_id principal_id bodies body
  shift
  if ! exists "$path"; then
    upsert "$path" '{"displayName":"Leasehold","signInAudience":"AzureADMyOrg"}'
    made_something=yes
  fi
  app_id=$(find_value "${path}?\$select=appId" appId)
  object_id=$(find_value "${path}?\$select=id" id)
  [ "$accept" = yes ] || refuse_strangers "$app_id" "$object_id" "$@"
  [ "$accept_settings" = yes ] || refuse_settings "$app_id" "$object_id"
  bodies=$(document "applications/${object_id}" | python3 "${here}/application.py" changes "$app_id")
  while read -r body; do
    [ -z "$body" ] || eventually change "applications/${object_id}" "$body"
    made_something=yes
  done <<<"$bodies"
  if ! exists "servicePrincipals(appId='${app_id}')"; then
    making_principal=$made_something
    eventually upsert "servicePrincipals(appId='${app_id}')" '{"displayName":"Leasehold"}'
    making_principal=no made_something=yes
  fi
  principal_id=$(find_value "servicePrincipals(appId='${app_id}')?\$select=id" id)
  tell_whom_it_trusts "$object_id" "$principal_id"
  printf 'audience=%s\napplication_object_id=%s\nservice_principal_object_id=%s\n' "$app_id" "$object_id" "$principal_id"
}

# give PRINCIPAL RESOURCE ROLE_ID LISTING: an app role, unless LISTING shows that it is held already.
give() {
  local principal=$1 resource=$2 role_id=$3 listing=$4 held
  held=$(find_value "$listing" "value[?principalId=='${principal}' && resourceId=='${resource}' && appRoleId=='${role_id}'].id | [0]")
  if [ -n "$held" ]; then
    return 0
  fi
  eventually graph post "servicePrincipals/${resource}/appRoleAssignedTo" --headers 'Content-Type=application/json' \
    --body "$(printf '{"principalId":"%s","resourceId":"%s","appRoleId":"%s"}' "$principal" "$resource" "$role_id")" >/dev/null
}

give_graph_permission() {
  local principal=$1 permission=$2 resource role_id
  resource=$(find_value "servicePrincipals(appId='${GRAPH_APP_ID}')?\$select=id" id)
  role_id=$(find_value "servicePrincipals(appId='${GRAPH_APP_ID}')?\$select=appRoles" "appRoles[?value=='${permission}'].id | [0]")
  [ -n "$role_id" ] || fail "Microsoft Graph offers no application permission ${permission}"
  give "$principal" "$resource" "$role_id" "servicePrincipals/${principal}/appRoleAssignments"
  printf 'granted=%s\n' "$permission"
}

warn_of_graph_app_roles() {
  cat >&2 <<'END'
entra.sh: warning: AppRoleAssignment.ReadWrite.All lets the broker's identity give itself, or anybody, every application permission
in this tenant. Whoever takes over the broker, its code or its identity then has the tenant. LEASEHOLD_GRAPH_APP_ROLES confines
roles; it does not confine this permission. To take it back: Microsoft Entra ID, Enterprise applications, the broker, Permissions.
END
}

permissions() {
  local broker=$1 permission options asked
  shift
  case " $* " in
    *' --graph-app-roles '*) warn_of_graph_app_roles ;;
  esac
  while read -r permission options; do
    case $permission in '' | '#'*) continue ;; esac
    if [ -z "$options" ]; then
      give_graph_permission "$broker" "$permission"
      continue
    fi
    for asked in "$@"; do
      case " ${options} " in
        *" ${asked} "*)
          give_graph_permission "$broker" "$permission"
          break
          ;;
      esac
    done
  done <"${here}/graph-permissions.txt"
}

assign() {
  local principal=$1 role=$2 app_id resource role_id
  case $role in
    Leasehold.Admin | Leasehold.Auditor | "$WEBHOOK_ROLE") ;;
    *) fail "no such role: ${role}" ;;
  esac
  app_id=$(find_value "applications(uniqueName='${unique_name}')?\$select=appId" appId)
  role_id=$(find_value "applications(uniqueName='${unique_name}')?\$select=appRoles" "appRoles[?value=='${role}'].id | [0]")
  [ -n "$role_id" ] || fail "the application has no role ${role}: run entra.sh application again"
  resource=$(find_value "servicePrincipals(appId='${app_id}')?\$select=id" id)
  give "$principal" "$resource" "$role_id" "servicePrincipals/${resource}/appRoleAssignedTo?\$top=999"
  printf 'assigned=%s\n' "$role"
}

# event_grid_application [APP_ID]: prints the application as which Event Grid calls in this cloud, unless one is given.
event_grid_application() {
  local given=$1 cloud
  if [ -n "$given" ]; then
    printf '%s' "$given"
    return 0
  fi
  cloud=$(az cloud show --query name --output tsv)
  case $cloud in
    AzureCloud) printf '%s' "$EVENT_GRID_APP_ID" ;;
    AzureUSGovernment) printf '%s' "$EVENT_GRID_APP_ID_GOVERNMENT" ;;
    *) fail "in the cloud ${cloud}, name Event Grid's application with --event-grid-app-id" ;;
  esac
}

# assign_event_grid APP_ID: its service principal is made if the tenant has none yet.
assign_event_grid() {
  local app_id=$1
  if ! exists "servicePrincipals(appId='${app_id}')"; then
    eventually graph post servicePrincipals --headers 'Content-Type=application/json' \
      --body "$(printf '{"appId":"%s"}' "$app_id")" >/dev/null
    made_something=yes
  fi
  assign "$(find_value "servicePrincipals(appId='${app_id}')?\$select=id" id)" "$WEBHOOK_ROLE"
}

require_guid() {
  [[ $2 =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]] || fail "$1 takes an id, a GUID"
}

main() {
  local command=${1:-} broker='' asked=() principal='' role='' accept=no owners=() owner
  local event_grid=no event_grid_app_id=''
  [ $# -eq 0 ] || shift
  while [ $# -gt 0 ]; do
    case $1 in
      --groups | --caller-groups | --graph-app-roles) asked+=("$1") ;;
      --accept-its-owners-and-credentials) accept=yes ;;
      --accept-its-settings) accept_settings=yes ;;
      --event-grid) event_grid=yes ;;
      --broker | --principal | --role | --unique-name | --owner | --event-grid-app-id)
        [ $# -ge 2 ] || fail "$1 takes a value"
        case $1 in
          --broker) broker=${2,,} ;;
          --principal) principal=${2,,} ;;
          --role) role=$2 ;;
          --owner) owners+=("${2,,}") ;;
          --unique-name) unique_name=$2 ;;
          --event-grid-app-id) event_grid_app_id=${2,,} ;;
        esac
        shift
        ;;
      *) fail "not understood: $1" ;;
    esac
    shift
  done
  [[ $unique_name =~ ^[A-Za-z0-9-]{1,64}$ ]] || fail '--unique-name takes letters, digits and dashes'
  case $command in
    application | permissions | assign) ;;
    '' | help | -h | --help)
      usage
      return 0
      ;;
    *) fail "no such command: ${command} (application, permissions, assign)" ;;
  esac
  GRAPH=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
  GRAPH=${GRAPH%/}
  case $command in
    application)
      for owner in ${owners[@]+"${owners[@]}"}; do require_guid --owner "$owner"; done
      application "$accept" ${owners[@]+"${owners[@]}"}
      ;;
    permissions)
      require_guid --broker "$broker"
      permissions "$broker" ${asked[@]+"${asked[@]}"}
      ;;
    assign)
      if [ "$event_grid" = yes ]; then
        [ -z "${principal}${role}" ] || fail '--event-grid says to whom, and which role: it takes neither --principal nor --role'
        [ -z "$event_grid_app_id" ] || require_guid --event-grid-app-id "$event_grid_app_id"
        event_grid_app_id=$(event_grid_application "$event_grid_app_id")
        assign_event_grid "$event_grid_app_id"
      else
        require_guid --principal "$principal"
        assign "$principal" "${role:-Leasehold.Admin}"
      fi
      ;;
  esac
}

main "$@"
