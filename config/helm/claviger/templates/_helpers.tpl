{{- define "claviger.name" -}}
{{- if contains "claviger" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-claviger" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "claviger.selector" -}}
claviger: {{ .Values.mode }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "claviger.labels" -}}
{{ include "claviger.selector" . }}
app.kubernetes.io/name: claviger
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "claviger.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "claviger.issuer" -}}
{{ .Values.token.issuer | default (printf "http://%s-admin.%s:9464" (include "claviger.name" .) .Release.Namespace) }}
{{- end }}

{{- define "claviger.container-security" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}
